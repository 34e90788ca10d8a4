#include "lib/core/error.h"
#include "lib/kernels/gated_mlp/gated_mlp.h"

namespace tacit {

void gated_mlp_cuda(const GatedMlpArgs&, void*) { fail("gated_mlp", "this build has no CUDA"); }
void gated_mlp_backward_cuda(const GatedMlpBackwardArgs&, void*) {
  fail("gated_mlp_backward", "this build has no CUDA");
}

}  // namespace tacit
