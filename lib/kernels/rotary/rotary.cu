#include <cstdint>

#include "lib/core/error.h"
#include "lib/kernels/cuda_numbers.cuh"
#include "lib/kernels/rotary/rotary.h"

namespace tacit {
namespace {

constexpr int kThreads = 256;

// One pair, or one dimension that is not rotated, a thread. y may be x: a thread reads its elements before it writes.
template <class T>
__global__ void rotary_kernel(RotaryArgs a) {
  const int64_t pairs = a.rotated / 2, work = pairs + (a.x_NHE == a.y_NHE ? 0 : a.size - a.rotated);
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= a.tokens * a.heads * work) return;
  const int64_t n = i / (a.heads * work), h = i / work % a.heads, which = i % work;
  const T* x = static_cast<const T*>(a.x_NHE) + n * a.x_stride + h * a.size;
  T* y = static_cast<T*>(a.y_NHE) + n * a.y_stride + h * a.size;
  if (which >= pairs) {
    y[which + pairs] = x[which + pairs];
    return;
  }
  const int64_t first = a.interleaved ? 2 * which : which, second = a.interleaved ? first + 1 : which + pairs;
  const float *cos = a.cos_PR + a.position_N[n] * a.rotated, *sin = a.sin_PR + a.position_N[n] * a.rotated;
  const float p = widen(x[first]), q = widen(x[second]);
  y[first] = narrow<T>(p * cos[first] - q * sin[first]);
  y[second] = narrow<T>(q * cos[second] + p * sin[second]);
}

template <class T>
void launch(const RotaryArgs& a, cudaStream_t stream) {
  const int64_t work = a.rotated / 2 + (a.x_NHE == a.y_NHE ? 0 : a.size - a.rotated);
  const int64_t blocks = (a.tokens * a.heads * work + kThreads - 1) / kThreads;
  if (blocks == 0) return;
  require(blocks <= INT32_MAX, "rotary", "expected at most ", INT32_MAX, " blocks but got ", blocks);
  rotary_kernel<T><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(a);
  const cudaError_t error = cudaGetLastError();
  require(error == cudaSuccess, "rotary", "CUDA could not start [", a.tokens, ", ", a.heads, ", ", a.size,
          "]: ", cudaGetErrorString(error));
}

}  // namespace

void rotary_cuda(const RotaryArgs& a, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  switch (a.scalar) {
    case Scalar::fp32: return launch<float>(a, queue);
    case Scalar::bf16: return launch<__nv_bfloat16>(a, queue);
  }
}

}  // namespace tacit
