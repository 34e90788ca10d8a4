#include <algorithm>
#include <cstdint>

#include "lib/core/error.h"
#include "lib/kernels/cuda_numbers.cuh"
#include "lib/kernels/gated_mlp/gated_mlp.h"

namespace tacit {
namespace {

constexpr int kThreads = 256;
constexpr float kSqrtHalf = 0.707106781f, kInverseSqrtTwoPi = 0.398942280f;
constexpr float kTanhScale = 1.59576912f /* 2 sqrt(2/pi) */, kCubic = 0.044715f;

struct Activated {
  float value, slope;
};

__device__ Activated activate(float x, MlpActivation kind) {
  switch (kind) {
    case MlpActivation::gelu: {
      const float below = 0.5f * (1 + erff(x * kSqrtHalf));  // Phi(x)
      return {x * below, below + x * kInverseSqrtTwoPi * expf(-0.5f * x * x)};
    }
    case MlpActivation::gelu_tanh: {
      const float share = 1 / (1 + expf(-kTanhScale * (x + kCubic * x * x * x)));
      return {x * share, share + x * share * (1 - share) * kTanhScale * (1 + 3 * kCubic * x * x)};
    }
    case MlpActivation::silu: {
      const float share = 1 / (1 + expf(-x));
      return {x * share, share * (1 + x * (1 - share))};
    }
    case MlpActivation::relu: return {x < 0 ? 0.0f : x, x > 0 ? 1.0f : 0.0f};
    case MlpActivation::relu_squared: {
      const float positive = x < 0 ? 0.0f : x;
      return {positive * positive, 2 * positive};
    }
  }
  return {x, 1};
}

// One pack of elements a thread. y may be gate or up: a thread reads its elements before it writes them.
template <class T, int kWidth>
__global__ void forward_kernel(int64_t count, MlpActivation kind, const T* gate, const T* up, T* y) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  auto pack = *reinterpret_cast<const Pack<T, kWidth>*>(up + i);
  if (gate) {
    const auto open = *reinterpret_cast<const Pack<T, kWidth>*>(gate + i);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) {
      pack.value[j] = narrow<T>(activate(widen(open.value[j]), kind).value * widen(pack.value[j]));
    }
  } else {
#pragma unroll
    for (int j = 0; j < kWidth; ++j) pack.value[j] = narrow<T>(activate(widen(pack.value[j]), kind).value);
  }
  *reinterpret_cast<Pack<T, kWidth>*>(y + i) = pack;
}

template <class T, int kWidth>
__global__ void backward_kernel(int64_t count, MlpActivation kind, const T* gate, const T* up, const T* d_y, T* d_gate,
                                T* d_up) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  if (i >= count) return;
  const auto u = *reinterpret_cast<const Pack<T, kWidth>*>(up + i);
  const auto d = *reinterpret_cast<const Pack<T, kWidth>*>(d_y + i);
  const auto open = gate ? *reinterpret_cast<const Pack<T, kWidth>*>(gate + i) : u;
  Pack<T, kWidth> by_gate, by_up;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    const Activated act = activate(widen(open.value[j]), kind);
    by_up.value[j] = narrow<T>(widen(d.value[j]) * (gate ? act.value : act.slope));
    by_gate.value[j] = narrow<T>(widen(d.value[j]) * widen(u.value[j]) * act.slope);
  }
  *reinterpret_cast<Pack<T, kWidth>*>(d_up + i) = by_up;
  if (gate) *reinterpret_cast<Pack<T, kWidth>*>(d_gate + i) = by_gate;
}

template <class T, int kWidth>
void launch(const GatedMlpBackwardArgs& args, bool back, cudaStream_t stream) {
  const GatedMlpArgs& a = args.forward;
  const int64_t blocks = (a.count + kThreads * kWidth - 1) / (kThreads * kWidth);
  require(blocks <= INT32_MAX, "gated_mlp", "expected at most ", INT32_MAX, " blocks but got ", blocks);
  const auto *gate = static_cast<const T*>(a.gate_N), *up = static_cast<const T*>(a.up_N);
  const auto grid = static_cast<unsigned>(blocks);
  if (back) {
    backward_kernel<T, kWidth>
        <<<grid, kThreads, 0, stream>>>(a.count, a.activation, gate, up, static_cast<const T*>(args.d_y_N),
                                        static_cast<T*>(args.d_gate_N), static_cast<T*>(args.d_up_N));
  } else {
    forward_kernel<T, kWidth><<<grid, kThreads, 0, stream>>>(a.count, a.activation, gate, up, static_cast<T*>(a.y_N));
  }
  const cudaError_t error = cudaGetLastError();
  require(error == cudaSuccess, "gated_mlp", "CUDA could not start ", a.count,
          " elements: ", cudaGetErrorString(error));
}

template <class T>
void launch_widest(const GatedMlpBackwardArgs& args, bool back, cudaStream_t stream) {
  constexpr int kBytes = 16;  // the widest load of one thread
  const GatedMlpArgs& a = args.forward;
  const void* arrays[] = {a.gate_N, a.up_N, a.y_N, args.d_y_N, args.d_gate_N, args.d_up_N};
  const bool aligned = a.count * sizeof(T) % kBytes == 0 &&
                       std::all_of(std::begin(arrays), std::end(arrays),
                                   [](auto* p) { return reinterpret_cast<uintptr_t>(p) % kBytes == 0; });
  if (aligned) {
    launch<T, kBytes / sizeof(T)>(args, back, stream);
  } else {
    launch<T, 1>(args, back, stream);
  }
}

void launch_any(const GatedMlpBackwardArgs& args, bool back, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  switch (args.forward.scalar) {
    case Scalar::fp32: return launch_widest<float>(args, back, queue);
    case Scalar::bf16: return launch_widest<__nv_bfloat16>(args, back, queue);
  }
}

}  // namespace

void gated_mlp_cuda(const GatedMlpArgs& args, void* stream) {
  GatedMlpBackwardArgs all;
  all.forward = args;
  launch_any(all, /*back=*/false, stream);
}

void gated_mlp_backward_cuda(const GatedMlpBackwardArgs& args, void* stream) {
  launch_any(args, /*back=*/true, stream);
}

}  // namespace tacit
