#include <algorithm>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/gated_mlp/activation_lanes.h"
#include "lib/kernels/gated_mlp/gated_mlp.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr float kInverseSqrtTwoPi = 0.398942280f;
constexpr float kTanhScale = 1.59576912f /* 2 sqrt(2/pi) */, kCubic = 0.044715f;

// An activation and, where asked for, its slope.
template <class V>
struct Activated {
  V value, slope;
};

template <MlpActivation kKind, bool kSlope, class V>
[[gnu::always_inline]] inline Activated<V> activate(V x) {
  Activated<V> out = {};
  if constexpr (kKind == MlpActivation::gelu) {
    const V below = normal_below(x);
    out.value = x * below;
    if constexpr (kSlope) out.slope = below + x * (kInverseSqrtTwoPi * exponential(-0.5f * x * x));
  } else if constexpr (kKind == MlpActivation::gelu_tanh) {
    const V share = 1.0f / (1.0f + exponential(-kTanhScale * (x + kCubic * x * x * x)));
    out.value = x * share;
    if constexpr (kSlope) out.slope = share + x * share * (1.0f - share) * kTanhScale * (1.0f + 3.0f * kCubic * x * x);
  } else if constexpr (kKind == MlpActivation::silu) {
    const V share = 1.0f / (1.0f + exponential(-x));
    out.value = x * share;
    if constexpr (kSlope) out.slope = share * (1.0f + x * (1.0f - share));
  } else {
    const V positive = x < 0.0f ? V{} : x;  // NaN stays
    out.value = kKind == MlpActivation::relu ? positive : positive * positive;
    if constexpr (kSlope) out.slope = kKind == MlpActivation::relu ? (x > 0.0f ? all<V>(1) : V{}) : 2.0f * positive;
  }
  return out;
}

// Sixteen lanes at a time where the machine has vectors of sixteen: with AVX2 the compiler takes their comparisons
// apart and goes on number by number.
template <bool kWide, class Step>
[[gnu::always_inline]] inline void by_parts(int64_t size, const Step& step) {
  if constexpr (kWide) {
    by_wide_lanes(size, step);
  } else {
    by_lanes(size, step);
  }
}

template <bool kWide, class T, MlpActivation kKind>
[[gnu::always_inline]] inline void forward(const GatedMlpArgs& a, int64_t begin, int64_t end) {
  const auto *gate = static_cast<const T*>(a.gate_N), *up = static_cast<const T*>(a.up_N);
  auto* y = static_cast<T*>(a.y_N);
  up += begin;
  y += begin;
  if (gate) {
    gate += begin;
    by_parts<kWide>(end - begin, [&](int64_t i, auto left) TACIT_INLINE {
      store_part(y + i, activate<kKind, false>(load_part(gate + i, left)).value * load_part(up + i, left), left);
    });
  } else {
    by_parts<kWide>(end - begin, [&](int64_t i, auto left) TACIT_INLINE {
      store_part(y + i, activate<kKind, false>(load_part(up + i, left)).value, left);
    });
  }
}

template <bool kWide, class T, MlpActivation kKind>
[[gnu::always_inline]] inline void backward(const GatedMlpBackwardArgs& args, int64_t begin, int64_t end) {
  const auto *gate = static_cast<const T*>(args.forward.gate_N), *up = static_cast<const T*>(args.forward.up_N);
  const auto* d_y = static_cast<const T*>(args.d_y_N);
  auto *d_gate = static_cast<T*>(args.d_gate_N), *d_up = static_cast<T*>(args.d_up_N);
  by_parts<kWide>(end - begin, [&](int64_t k, auto left) TACIT_INLINE {
    const int64_t i = begin + k;
    const auto u = load_part(up + i, left), d = load_part(d_y + i, left);
    const auto act = activate<kKind, true>(gate ? load_part(gate + i, left) : u);
    store_part(d_up + i, d * (gate ? act.value : act.slope), left);
    if (gate) store_part(d_gate + i, d * u * act.slope, left);
  });
}

template <bool kWide, class T>
[[gnu::always_inline]] inline void forward_any(const GatedMlpArgs& a, int64_t begin, int64_t end) {
  switch (a.activation) {
    case MlpActivation::gelu: return forward<kWide, T, MlpActivation::gelu>(a, begin, end);
    case MlpActivation::gelu_tanh: return forward<kWide, T, MlpActivation::gelu_tanh>(a, begin, end);
    case MlpActivation::silu: return forward<kWide, T, MlpActivation::silu>(a, begin, end);
    case MlpActivation::relu: return forward<kWide, T, MlpActivation::relu>(a, begin, end);
    case MlpActivation::relu_squared: return forward<kWide, T, MlpActivation::relu_squared>(a, begin, end);
  }
}

template <bool kWide, class T>
[[gnu::always_inline]] inline void backward_any(const GatedMlpBackwardArgs& a, int64_t begin, int64_t end) {
  switch (a.forward.activation) {
    case MlpActivation::gelu: return backward<kWide, T, MlpActivation::gelu>(a, begin, end);
    case MlpActivation::gelu_tanh: return backward<kWide, T, MlpActivation::gelu_tanh>(a, begin, end);
    case MlpActivation::silu: return backward<kWide, T, MlpActivation::silu>(a, begin, end);
    case MlpActivation::relu: return backward<kWide, T, MlpActivation::relu>(a, begin, end);
    case MlpActivation::relu_squared: return backward<kWide, T, MlpActivation::relu_squared>(a, begin, end);
  }
}

template <bool kWide>
[[gnu::always_inline]] inline void forward_of(const GatedMlpArgs& a, int64_t begin, int64_t end) {
  a.scalar == Scalar::fp32 ? forward_any<kWide, float>(a, begin, end) : forward_any<kWide, Bf16>(a, begin, end);
}
template <bool kWide>
[[gnu::always_inline]] inline void backward_of(const GatedMlpBackwardArgs& a, int64_t begin, int64_t end) {
  a.forward.scalar == Scalar::fp32 ? backward_any<kWide, float>(a, begin, end)
                                   : backward_any<kWide, Bf16>(a, begin, end);
}

using Forward = void (*)(const GatedMlpArgs& a, int64_t begin, int64_t end);
using Backward = void (*)(const GatedMlpBackwardArgs& a, int64_t begin, int64_t end);
void plain_forward(const GatedMlpArgs& a, int64_t begin, int64_t end) { forward_of<false>(a, begin, end); }
void plain_backward(const GatedMlpBackwardArgs& a, int64_t begin, int64_t end) { backward_of<false>(a, begin, end); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_forward(const GatedMlpArgs& a, int64_t begin, int64_t end) { forward_of<false>(a, begin, end); }
TACIT_AVX2 void avx2_backward(const GatedMlpBackwardArgs& a, int64_t begin, int64_t end) {
  backward_of<false>(a, begin, end);
}
TACIT_AVX512 void avx512_forward(const GatedMlpArgs& a, int64_t begin, int64_t end) { forward_of<true>(a, begin, end); }
TACIT_AVX512 void avx512_backward(const GatedMlpBackwardArgs& a, int64_t begin, int64_t end) {
  backward_of<true>(a, begin, end);
}
#endif

struct Runs {
  Forward forward;
  Backward backward;
};
Runs runs_for(CpuVectors vectors) {
#if defined(__x86_64__)
  if (vectors == CpuVectors::avx512) return {avx512_forward, avx512_backward};
  if (vectors == CpuVectors::avx2) return {avx2_forward, avx2_backward};
#endif
  return {plain_forward, plain_backward};
}

constexpr int64_t kWorthAThread = 16384;  // elements; below that, waking a thread costs more than the work

}  // namespace

void gated_mlp_cpu(const GatedMlpArgs& a, CpuVectors vectors) {
  parallel_parts(0, a.count, kWorthAThread,
                 [&, run = runs_for(vectors).forward](int64_t begin, int64_t end) { run(a, begin, end); });
}

void gated_mlp_backward_cpu(const GatedMlpBackwardArgs& a, CpuVectors vectors) {
  parallel_parts(0, a.forward.count, kWorthAThread,
                 [&, run = runs_for(vectors).backward](int64_t begin, int64_t end) { run(a, begin, end); });
}

}  // namespace tacit
