#include <algorithm>
#include <cstdint>
#include <vector>

#include "lib/kernels/device/intrinsics.cuh"
// The machine comes first.
#include "lib/kernels/device/launching.cuh"
#include "lib/kernels/packed_linear/skinny_linear.cuh"

namespace tacit {
namespace {

using namespace device;

constexpr auto kName = "packed_linear";

template <class T, int kRows, bool kVector>
__global__ void __launch_bounds__(kThreads, 1) skinny_kernel(const __grid_constant__ SkinnyPlan plan) {
  run_skinny_linear<T, kRows, kVector>(plan);
}

struct Kernel {
  int rows;
  const void* address;
};
template <class T, int kRows, bool kVector>
Kernel kernel_of() {
  return {kRows, reinterpret_cast<const void*>(skinny_kernel<T, kRows, kVector>)};
}

// From few rows to many.
template <class T>
std::vector<Kernel> kernels(bool vector) {
  if (!vector) return {kernel_of<T, 1, false>(), kernel_of<T, 8, false>()};
  return {kernel_of<T, 1, true>(), kernel_of<T, 4, true>(), kernel_of<T, 8, true>()};
}

}  // namespace

void packed_linear_cuda(const PackedLinearArgs& args, void* stream) {
  constexpr int64_t kMost = INT32_MAX / 16;
  require(args.rows <= kMost && args.outputs <= kMost && args.inputs <= kMost, kName, "expected sizes below ", kMost);
  const bool vector = args.inputs % kEight == 0 && reinterpret_cast<uintptr_t>(args.weight_OI) % 16 == 0;
  const int multiprocessors = device_attribute(cudaDevAttrMultiProcessorCount, kName);
  const int64_t most_bytes = device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, kName);
  const int blocks = static_cast<int>(std::min<int64_t>(multiprocessors, divide_up(args.outputs, kTile)));
  Kernel chosen = {};
  int64_t bytes = 0;
  for (const Kernel& kernel : args.scalar == Scalar::fp32 ? kernels<float>(vector) : kernels<Bf16>(vector)) {
    const int64_t floats = args.scalar == Scalar::fp32
                               ? skinny_floats<float>(args.outputs, args.inputs, kernel.rows, blocks)
                               : skinny_floats<Bf16>(args.outputs, args.inputs, kernel.rows, blocks);
    const int64_t needed = floats * static_cast<int64_t>(sizeof(float));
    if (needed > most_bytes || (chosen.address && chosen.rows >= args.rows)) continue;
    chosen = kernel;
    bytes = needed;
  }
  require(chosen.address != nullptr, kName, "expected inputs that fit the ", most_bytes,
          " bytes of shared memory of a block but got ", args.inputs);
  SkinnyPlan plan = {static_cast<int>(args.rows),
                     static_cast<int>(args.outputs),
                     static_cast<int>(args.inputs),
                     args.activations == Scalar::bf16,
                     args.weight_OI,
                     args.bias_O,
                     args.x_MI,
                     args.y_MO};
  void* pointers[] = {&plan};
  cuda_require(
      cudaFuncSetAttribute(chosen.address, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)), kName,
      "give a block its shared memory");
  cuda_require(cudaLaunchKernel(chosen.address, dim3(blocks), dim3(kThreads), pointers, static_cast<size_t>(bytes),
                                static_cast<cudaStream_t>(stream)),
               kName, "start a kernel");
  cuda_require(cudaGetLastError(), kName, "start a kernel");
}

}  // namespace tacit
