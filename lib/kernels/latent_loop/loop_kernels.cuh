#pragma once

#include <vector>

#include "lib/kernels/device/intrinsics.cuh"
// The machine comes first.
#include "lib/kernels/latent_loop/loop_runs.cuh"

namespace tacit::device {

template <class T, class W, int kRows, bool kVector, bool kAll>
__global__ void __launch_bounds__(kThreads, 1)
    loop_kernel(const __grid_constant__ LoopPlan plan, const __grid_constant__ LoopRequest request, LoopPart part) {
  LoopRun<T, W, kRows, kVector, kAll>(plan, request).run(part);
}

// A kernel for groups of `rows` rows.
struct LoopKernel {
  int rows;
  bool vector;             // needs sizes that are multiples of 8, and arrays on 16-byte boundaries
  const void *part, *all;  // a phase of the graph; the persistent one
};
template <class T, class W, int kRows, bool kVector>
LoopKernel loop_kernel_of() {
  return {kRows, kVector, reinterpret_cast<const void*>(loop_kernel<T, W, kRows, kVector, false>),
          reinterpret_cast<const void*>(loop_kernel<T, W, kRows, kVector, true>)};
}

// From few rows to many, the one that needs no vectors last. A file each, since they take long to compile.
std::vector<LoopKernel> loop_kernels_bf16();
std::vector<LoopKernel> loop_kernels_fp32();
std::vector<LoopKernel> loop_kernels_int8();  // beside bf16

}  // namespace tacit::device
