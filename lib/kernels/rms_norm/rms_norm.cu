#include <algorithm>
#include <cstdint>

#include "lib/core/error.h"
#include "lib/kernels/cuda_numbers.cuh"
#include "lib/kernels/rms_norm/rms_norm.h"

namespace tacit {
namespace {

constexpr int kMaxThreads = 1024;

// The total over the block's threads, given to all of them.
__device__ float block_total(float value) {
  __shared__ float warp_totals[kMaxThreads / kWarp];
  value = warp_total(value);
  if (threadIdx.x % kWarp == 0) warp_totals[threadIdx.x / kWarp] = value;
  __syncthreads();
  float total = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) total += warp_totals[warp];
  return total;
}

template <class T, int kWidth>
__device__ Pack<T, kWidth> add(const T* x, const T* residual, int64_t i) {
  auto sum = *reinterpret_cast<const Pack<T, kWidth>*>(x + i);
  if (residual) {
    const auto other = *reinterpret_cast<const Pack<T, kWidth>*>(residual + i);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) sum.value[j] = narrow<T>(widen(sum.value[j]) + widen(other.value[j]));
  }
  return sum;
}

// One block a row. No pointer is __restrict__: sum and y may be x or residual, and each thread reads an element before
// it writes it.
template <class T, int kWidth>
__global__ void rms_norm_kernel(const T* x, const T* residual, const T* weight, T* sum, T* y, int64_t size, float eps) {
  const int64_t row = blockIdx.x * size;
  const int64_t first = threadIdx.x * kWidth, step = static_cast<int64_t>(blockDim.x) * kWidth;
  x += row;
  y += row;
  if (residual) residual += row;
  if (sum) sum += row;

  float squares = 0;
  for (int64_t i = first; i < size; i += step) {
    const auto pack = add<T, kWidth>(x, residual, i);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) squares += widen(pack.value[j]) * widen(pack.value[j]);
    if (sum) *reinterpret_cast<Pack<T, kWidth>*>(sum + i) = pack;
  }
  const float factor = rsqrtf(block_total(squares) / static_cast<float>(size) + eps);

  if (sum) {  // x or residual may be gone by now
    x = sum;
    residual = nullptr;
  }
  for (int64_t i = first; i < size; i += step) {
    auto pack = add<T, kWidth>(x, residual, i);
    const auto scale = *reinterpret_cast<const Pack<T, kWidth>*>(weight + i);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      pack.value[j] = narrow<T>(widen(pack.value[j]) * factor * widen(scale.value[j]));
    }
    *reinterpret_cast<Pack<T, kWidth>*>(y + i) = pack;
  }
}

template <class T, int kWidth>
void launch(const RmsNormArgs& args, cudaStream_t stream) {
  const int64_t packs = (args.size + kWidth - 1) / kWidth;
  const int64_t threads = std::min<int64_t>(kMaxThreads, (packs + kWarp - 1) / kWarp * kWarp);
  rms_norm_kernel<T, kWidth><<<static_cast<unsigned>(args.rows), static_cast<unsigned>(threads), 0, stream>>>(
      static_cast<const T*>(args.x_ND), static_cast<const T*>(args.residual_ND), static_cast<const T*>(args.weight_D),
      static_cast<T*>(args.sum_ND), static_cast<T*>(args.y_ND), args.size, args.eps);
  const cudaError_t error = cudaGetLastError();
  require(error == cudaSuccess, "rms_norm", "CUDA could not start [", args.rows, ", ", args.size,
          "]: ", cudaGetErrorString(error));
}

template <class T>
void launch_widest(const RmsNormArgs& args, cudaStream_t stream) {
  constexpr int kBytes = 16;  // the widest load of one thread
  const void* arrays[] = {args.x_ND, args.residual_ND, args.weight_D, args.sum_ND, args.y_ND};
  const bool aligned = args.size * sizeof(T) % kBytes == 0 &&
                       std::all_of(std::begin(arrays), std::end(arrays),
                                   [](auto* p) { return reinterpret_cast<uintptr_t>(p) % kBytes == 0; });
  if (aligned) {
    launch<T, kBytes / sizeof(T)>(args, stream);
  } else {
    launch<T, 1>(args, stream);
  }
}

}  // namespace

void rms_norm_cuda(const RmsNormArgs& args, void* stream) {
  constexpr int64_t kMaxRows = INT32_MAX;  // blocks of a grid
  require(args.rows <= kMaxRows, "rms_norm", "expected at most ", kMaxRows, " rows but got ", args.rows);
  const auto queue = static_cast<cudaStream_t>(stream);
  switch (args.scalar) {
    case Scalar::fp32: return launch_widest<float>(args, queue);
    case Scalar::bf16: return launch_widest<__nv_bfloat16>(args, queue);
  }
}

}  // namespace tacit
