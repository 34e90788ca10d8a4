#include <cmath>

#include "lib/kernels/cpu_clones.h"
#include "lib/kernels/cpu_math.h"
#include "lib/kernels/latent_loop/loop_rows.h"

namespace tacit {
namespace {

// Partial sums are kept per lane: the order of additions does not depend on the width of the machine's registers.
constexpr int kLanes = 16;

template <class Term>
[[gnu::always_inline]] inline float sum_of(int64_t size, const Term& term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += term(i + j);
  }
  for (int j = 0; i + j < size; ++j) lanes[j] += term(i + j);
  float total = 0;
  for (float lane : lanes) total += lane;
  return total;
}

template <class T>
[[gnu::always_inline]] inline void norm(const RowNorm& n, const float* x, float* y) {
  const T* weight = static_cast<const T*>(n.norm.weight);
  const T* bias = static_cast<const T*>(n.norm.bias);
  const auto size = static_cast<float>(n.size);
  const float mean = n.layer ? sum_of(
                                   n.size, [&](int64_t i) __attribute__((always_inline)) { return x[i]; }) /
                                   size
                             : 0;
  const float square = sum_of(
      n.size, [&](int64_t i) __attribute__((always_inline)) {
        const float centred = x[i] - mean;
        return centred * centred;
      });
  const float factor = 1 / std::sqrt(square / size + n.eps);
  if (bias) {
    for (int64_t i = 0; i < n.size; ++i) y[i] = (x[i] - mean) * factor * widen(weight[i]) + widen(bias[i]);
  } else {
    for (int64_t i = 0; i < n.size; ++i) y[i] = (x[i] - mean) * factor * widen(weight[i]);
  }
}

TACIT_CPU_CLONES void norm_fp32(const RowNorm& n, const float* x, float* y) { norm<float>(n, x, y); }
TACIT_CPU_CLONES void norm_bf16(const RowNorm& n, const float* x, float* y) { norm<Bf16>(n, x, y); }

template <LoopActivation kKind>
[[gnu::always_inline]] inline float act(float x) {
  if constexpr (kKind == LoopActivation::relu) return x < 0 ? 0 : x;
  if constexpr (kKind == LoopActivation::relu_squared) return x < 0 ? 0 : x * x;
  if constexpr (kKind == LoopActivation::silu) return x / (1 + exp_of(-x));
  // 0.5 x (1 + tanh(u)) = x / (1 + e^-2u)
  if constexpr (kKind == LoopActivation::gelu_tanh) {
    return x / (1 + exp_of(-1.5957691216057308f * (x + 0.044715f * x * x * x)));
  }
  if constexpr (kKind == LoopActivation::gelu) {  // x times half of erfc(-x / sqrt(2))
    const float tail = erfc_of(std::abs(x) * 0.70710678118654752f);
    return 0.5f * x * (x < 0 ? tail : 2 - tail);
  }
}

template <LoopActivation kKind>
[[gnu::always_inline]] inline void activate(int64_t count, const float* x, const float* up, float* y) {
  if (up) {
    for (int64_t i = 0; i < count; ++i) y[i] = act<kKind>(x[i]) * up[i];
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = act<kKind>(x[i]);
  }
}

TACIT_CPU_CLONES void activate_any(LoopActivation kind, int64_t count, const float* x, const float* up, float* y) {
  switch (kind) {
    case LoopActivation::gelu: return activate<LoopActivation::gelu>(count, x, up, y);
    case LoopActivation::gelu_tanh: return activate<LoopActivation::gelu_tanh>(count, x, up, y);
    case LoopActivation::silu: return activate<LoopActivation::silu>(count, x, up, y);
    case LoopActivation::relu: return activate<LoopActivation::relu>(count, x, up, y);
    case LoopActivation::relu_squared: return activate<LoopActivation::relu_squared>(count, x, up, y);
  }
}

}  // namespace

void norm_row(const RowNorm& n, const float* x, float* y) {
  (n.scalar == Scalar::fp32 ? norm_fp32 : norm_bf16)(n, x, y);
}

void activate_row(LoopActivation activation, int64_t count, const float* x, float* y) {
  activate_any(activation, count, x, nullptr, y);
}

void activate_row(LoopActivation activation, int64_t count, const float* gate, const float* up, float* y) {
  activate_any(activation, count, gate, up, y);
}

}  // namespace tacit
