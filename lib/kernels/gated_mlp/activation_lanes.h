#pragma once

#include "lib/kernels/cpu_lanes.h"

// Elementary functions of eight numbers at once.
namespace tacit {

[[gnu::always_inline]] inline Lanes all(float x) { return Lanes{} + x; }
[[gnu::always_inline]] inline Lanes smaller(Lanes a, Lanes b) { return a < b ? a : b; }  // b where a is NaN
[[gnu::always_inline]] inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }

// e^x, to 2 units in the last place; 0 below -87.3, where the result would be subnormal, infinite above 88.7, NaN of
// NaN. x = n ln 2 + r with |r| <= ln(2) / 2, in two parts of ln 2 (Cody & Waite), and Taylor's series for e^r.
[[gnu::always_inline]] inline Lanes exponential(Lanes x) {
  constexpr float kLowest = -87.33654f, kHighest = 88.72283f;
  constexpr float kShift = 12582912;  // 1.5 * 2^23: adding it rounds to a whole number
  const Lanes bounded = larger(smaller(x, all(kHighest)), all(kLowest));
  const Lanes n = (bounded * 1.44269504f + kShift) - kShift;
  const Lanes r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  Lanes p = all(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * (r * r) + (r + 1.0f);
  // In two steps: 2^128 is no number of its own.
  typedef int32_t Whole __attribute__((vector_size(32)));
  const Whole whole = __builtin_convertvector(n, Whole), half = whole >> 1;
  const Whole bits = (half + 127) << 23, other_bits = (whole - half + 127) << 23;
  const Lanes y = p * reinterpret_cast<const Lanes&>(bits) * reinterpret_cast<const Lanes&>(other_bits);
  const Lanes low = x < kLowest ? Lanes{} : y;
  return x == x ? (x > kHighest ? all(__builtin_inff()) : low) : x;
}

// Phi(x), the share of the normal distribution below x: (1 + erf(z)) / 2 with z = x / sqrt(2), erf by N. Juffa's
// polynomials. Far below 0 by its exponential alone, lest 1 - (nearly 1) lose the digits.
[[gnu::always_inline]] inline Lanes normal_below(Lanes x) {
  const Lanes z = x * 0.707106781f, t = z < 0.0f ? -z : z, s = z * z;
  Lanes far = -1.72853470e-5f * t + 3.83197126e-4f;
  far = far * s + (-3.88396438e-3f * t + 2.42546219e-2f);
  far = far * t - 1.06777877e-1f;
  far = far * t - 6.34846687e-1f;
  far = far * t - 1.28717512e-1f;
  const Lanes beyond = 0.5f * exponential(far * t - t);
  Lanes near = -5.96761703e-4f * s + 4.99119423e-3f;
  near = near * s - 2.67681349e-2f;
  near = near * s + 1.12819925e-1f;
  near = near * s - 3.76125336e-1f;
  near = near * s + 1.28379166e-1f;
  near = near * z + z;
  return t > 0.927734375f ? (z < 0.0f ? beyond : 1.0f - beyond) : 0.5f * near + 0.5f;
}

}  // namespace tacit
