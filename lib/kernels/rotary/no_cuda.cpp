#include "lib/core/error.h"
#include "lib/kernels/rotary/rotary.h"

namespace tacit {

void rotary_cuda(const RotaryArgs&, void*) { fail("rotary", "this build has no CUDA"); }

}  // namespace tacit
