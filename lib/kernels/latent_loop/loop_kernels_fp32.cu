#include "lib/kernels/latent_loop/loop_kernels.cuh"

namespace tacit::device {

std::vector<LoopKernel> loop_kernels_fp32() {
  return {loop_kernel_of<float, float, 1, true>(), loop_kernel_of<float, float, 8, true>(),
          loop_kernel_of<float, float, 8, false>()};
}

}  // namespace tacit::device
