#include "lib/kernels/latent_loop/loop_kernels.cuh"

namespace tacit::device {

std::vector<LoopKernel> loop_kernels_int8() {
  return {loop_kernel_of<Bf16, Int8, 1, true>(), loop_kernel_of<Bf16, Int8, 4, true>(),
          loop_kernel_of<Bf16, Int8, 8, true>(), loop_kernel_of<Bf16, Int8, 8, false>()};
}

}  // namespace tacit::device
