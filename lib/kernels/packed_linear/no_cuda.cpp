#include "lib/core/error.h"
#include "lib/kernels/packed_linear/packed_linear.h"

namespace tacit {

void packed_linear_cuda(const PackedLinearArgs&, void*) { fail("packed_linear", "this build has no CUDA"); }

}  // namespace tacit
