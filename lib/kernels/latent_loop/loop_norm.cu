#include <cstdint>

#include "lib/kernels/device/intrinsics.cuh"
// The machine comes first.
#include "lib/kernels/device/launching.cuh"
#include "lib/kernels/latent_loop/loop_norm_rows.cuh"

namespace tacit {
namespace {

using namespace device;

template <class T>
__global__ void __launch_bounds__(kThreads) norm_kernel(const __grid_constant__ LoopNormArgs args) {
  run_loop_norm<T>(args);
}

}  // namespace

void loop_norm_cuda(const LoopNormArgs& args, void* stream) {
  constexpr auto kName = "loop_norm";
  if (args.rows == 0) return;
  require(args.size <= kMostNormSize && args.rows <= INT32_MAX, kName, "expected at most ", kMostNormSize,
          " elements a row but got ", args.size);
  const int64_t bytes = loop_norm_floats(args.size) * static_cast<int64_t>(sizeof(float));
  const void* const kernel = args.scalar == Scalar::fp32 ? reinterpret_cast<const void*>(norm_kernel<float>)
                                                         : reinterpret_cast<const void*>(norm_kernel<Bf16>);
  LoopNormArgs copy = args;
  void* pointers[] = {&copy};
  cuda_require(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(loop_norm_floats(kMostNormSize) * sizeof(float))),
               kName, "give a block its shared memory");
  cuda_require(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(args.rows)), dim3(kThreads), pointers,
                                static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream)),
               kName, "start a kernel");
  cuda_require(cudaGetLastError(), kName, "start a kernel");
}

}  // namespace tacit
