#include <cmath>

#include "lib/kernels/bf16.h"
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

template <int kWidth, LoopActivation kKind>
[[gnu::always_inline]] inline void act(typename Vectors<kWidth>::F& x) {
  using F = typename Vectors<kWidth>::F;
  using U = typename Vectors<kWidth>::U;
  if constexpr (kKind == LoopActivation::relu) x = x < 0.0f ? F{} : x;  // NaN stays
  if constexpr (kKind == LoopActivation::relu_squared) x = x < 0.0f ? F{} : x * x;
  if constexpr (kKind == LoopActivation::silu) {
    F e = -x;
    exponentiate<kWidth>(e);
    x /= 1 + e;
  }
  // 0.5 x (1 + tanh(u)) = x / (1 + e^-2u)
  if constexpr (kKind == LoopActivation::gelu_tanh) {
    F e = -1.5957691216057308f * (x + 0.044715f * x * x * x);
    exponentiate<kWidth>(e);
    x /= 1 + e;
  }
  if constexpr (kKind == LoopActivation::gelu) {  // x times half of erfc(-x / sqrt(2))
    F tail = reinterpret_cast<F>(reinterpret_cast<U>(x) & 0x7fffffffu) * 0.70710678118654752f;
    complement_of_erf<kWidth>(tail);
    x = 0.5f * x * (x < 0.0f ? tail : 2 - tail);
  }
}

template <int kWidth, LoopActivation kKind>
[[gnu::always_inline]] inline void activate_by(int64_t count, const float* x, const float* up, float* y) {
  using F = typename Vectors<kWidth>::F;
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    F some = *reinterpret_cast<const F*>(x + i);
    act<kWidth, kKind>(some);
    if (up) some *= *reinterpret_cast<const F*>(up + i);
    *reinterpret_cast<F*>(y + i) = some;
  }
  if (i == count) return;
  F some = {};
  for (int64_t j = i; j < count; ++j) some[j - i] = x[j];
  act<kWidth, kKind>(some);
  for (int64_t j = i; j < count; ++j) y[j] = up ? some[j - i] * up[j] : some[j - i];
}

template <int kWidth>
[[gnu::always_inline]] inline void activate(LoopActivation kind, int64_t count, const float* x, const float* up,
                                            float* y) {
  switch (kind) {
    case LoopActivation::gelu: return activate_by<kWidth, LoopActivation::gelu>(count, x, up, y);
    case LoopActivation::gelu_tanh: return activate_by<kWidth, LoopActivation::gelu_tanh>(count, x, up, y);
    case LoopActivation::silu: return activate_by<kWidth, LoopActivation::silu>(count, x, up, y);
    case LoopActivation::relu: return activate_by<kWidth, LoopActivation::relu>(count, x, up, y);
    case LoopActivation::relu_squared: return activate_by<kWidth, LoopActivation::relu_squared>(count, x, up, y);
  }
}

void plain_activate(LoopActivation kind, int64_t count, const float* x, const float* up, float* y) {
  activate<4>(kind, count, x, up, y);
}
#if defined(__x86_64__)
TACIT_AVX2 void avx2_activate(LoopActivation kind, int64_t count, const float* x, const float* up, float* y) {
  activate<8>(kind, count, x, up, y);
}
TACIT_AVX512 void avx512_activate(LoopActivation kind, int64_t count, const float* x, const float* up, float* y) {
  activate<16>(kind, count, x, up, y);
}
#endif

}  // namespace

void norm_row(const RowNorm& n, const float* x, float* y) {
  (n.scalar == Scalar::fp32 ? norm_fp32 : norm_bf16)(n, x, y);
}

void activate_row(LoopActivation activation, int64_t count, const float* x, const float* up, float* y,
                  CpuVectors vectors) {
#if defined(__x86_64__)
  if (vectors == CpuVectors::avx512) return avx512_activate(activation, count, x, up, y);
  if (vectors == CpuVectors::avx2) return avx2_activate(activation, count, x, up, y);
#endif
  plain_activate(activation, count, x, up, y);
}

}  // namespace tacit
