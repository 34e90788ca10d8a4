#include "lib/core/error.h"
#include "lib/kernels/layer_norm/layer_norm.h"

namespace tacit {

void layer_norm_cuda(const LayerNormArgs&, void*) { fail("layer_norm", "this build has no CUDA"); }

}  // namespace tacit
