#include "lib/core/error.h"
#include "lib/kernels/expert_routing/expert_routing.h"

namespace tacit {

void expert_routing_cuda(const ExpertRoutingArgs&, void*) { fail("expert_routing", "this build has no CUDA"); }
void expert_sum_cuda(const ExpertSumArgs&, void*) { fail("expert_sum", "this build has no CUDA"); }

}  // namespace tacit
