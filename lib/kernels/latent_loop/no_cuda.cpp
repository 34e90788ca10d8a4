#include "lib/core/error.h"
#include "lib/kernels/latent_loop/latent_loop.h"

namespace tacit {

void latent_loop_cuda(const LatentLoopArgs&, void*) { fail("latent_loop", "this build has no CUDA"); }

}  // namespace tacit
