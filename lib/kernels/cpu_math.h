#pragma once

#include "lib/kernels/cpu_vectors.h"

namespace tacit {

// Elementary functions of a vector's numbers, in place, for functions that name an instruction set.

// x -> e^x to 2 units in the last place; x outside of -87 .. 88 counts as the nearer bound, NaN stays NaN.
// [Cephes, expf]
template <int kWidth>
[[gnu::always_inline]] inline void exponentiate(typename Vectors<kWidth>::F& x) {
  using F = typename Vectors<kWidth>::F;
  using U = typename Vectors<kWidth>::U;
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer, in the sum's lowest bits
  x = x < -87.0f ? F{} - 87.0f : x;
  x = x > 88.0f ? F{} + 88.0f : x;
  const F shifted = x * 1.44269504088896341f + kShift, n = shifted - kShift;
  const F r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  F p = F{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  x = p * reinterpret_cast<F>((reinterpret_cast<U>(shifted) + 127) << 23);
}

// z -> erfc(z) for z >= 0, to 1.2e-7 of itself in exact arithmetic. [Numerical Recipes, section 6.2, erfcc]
template <int kWidth>
[[gnu::always_inline]] inline void complement_of_erf(typename Vectors<kWidth>::F& z) {
  using F = typename Vectors<kWidth>::F;
  const F t = 1 / (1 + 0.5f * z);
  F p = F{} + 0.17087277f;
  p = p * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  z = p - z * z;
  exponentiate<kWidth>(z);
  z *= t;
}

}  // namespace tacit
