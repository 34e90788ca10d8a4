#include "lib/core/error.h"
#include "lib/kernels/latent_loop/cuda_path.h"
#include "lib/kernels/latent_loop/loop_norm.h"

namespace tacit {

void latent_loop_cuda(const LatentLoopArgs&, void*) { fail("latent_loop", "this build has no CUDA"); }
void latent_loop_cuda(const LatentLoopArgs&, void*, LoopPath) { fail("latent_loop", "this build has no CUDA"); }
void loop_norm_cuda(const LoopNormArgs&, void*) { fail("loop_norm", "this build has no CUDA"); }

}  // namespace tacit
