#include "lib/kernels/latent_loop/loop_kernels.cuh"

namespace tacit::device {

std::vector<LoopKernel> loop_kernels_bf16() {
  return {loop_kernel_of<Bf16, Bf16, 1, true>(), loop_kernel_of<Bf16, Bf16, 4, true>(),
          loop_kernel_of<Bf16, Bf16, 8, true>(), loop_kernel_of<Bf16, Bf16, 8, false>()};
}

}  // namespace tacit::device
