#pragma once

#include <cstddef>

#include "lib/kernels/cpu_lanes.h"

// Elementary functions of eight (Lanes) or sixteen (WideLanes) numbers at once.
namespace tacit {

template <size_t kBytes>
struct IntegersOf;
template <>
struct IntegersOf<sizeof(Lanes)> {
  typedef int32_t Type __attribute__((vector_size(sizeof(Lanes))));
};
template <>
struct IntegersOf<sizeof(WideLanes)> {
  typedef int32_t Type __attribute__((vector_size(sizeof(WideLanes))));
};

template <class V>
[[gnu::always_inline]] inline V all(float x) {
  return V{} + x;
}
template <class V>
[[gnu::always_inline]] inline V smaller(V a, V b) {
  return a < b ? a : b;  // b where a is NaN
}
template <class V>
[[gnu::always_inline]] inline V larger(V a, V b) {
  return a > b ? a : b;
}

// e^x, to 2 units in the last place; 0 below -87.3, where the result would be subnormal, infinite above 88.7, NaN of
// NaN. x = n ln 2 + r with |r| <= ln(2) / 2, in two parts of ln 2 (Cody & Waite), and Taylor's series for e^r.
template <class V>
[[gnu::always_inline]] inline V exponential(V x) {
  constexpr float kLowest = -87.33654f, kHighest = 88.72283f;
  constexpr float kShift = 12582912;  // 1.5 * 2^23: adding it rounds to a whole number
  const V bounded = larger(smaller(x, all<V>(kHighest)), all<V>(kLowest));
  const V n = (bounded * 1.44269504f + kShift) - kShift;
  const V r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  V p = all<V>(1.0f / 5040);
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * (r * r) + (r + 1.0f);
  // In two steps: 2^128 is no number of its own.
  using Whole = typename IntegersOf<sizeof(V)>::Type;
  const Whole whole = __builtin_convertvector(n, Whole), half = whole >> 1;
  const Whole bits = (half + 127) << 23, other_bits = (whole - half + 127) << 23;
  const V y = p * reinterpret_cast<V>(bits) * reinterpret_cast<V>(other_bits);
  const V low = x < kLowest ? V{} : y;
  return x == x ? (x > kHighest ? all<V>(__builtin_inff()) : low) : x;
}

// Phi(x), the share of the normal distribution below x: (1 + erf(z)) / 2 with z = x / sqrt(2), erf by N. Juffa's
// polynomials. Far below 0 by its exponential alone, lest 1 - (nearly 1) lose the digits.
template <class V>
[[gnu::always_inline]] inline V normal_below(V x) {
  const V z = x * 0.707106781f, t = z < 0.0f ? -z : z, s = z * z;
  V far = -1.72853470e-5f * t + 3.83197126e-4f;
  far = far * s + (-3.88396438e-3f * t + 2.42546219e-2f);
  far = far * t - 1.06777877e-1f;
  far = far * t - 6.34846687e-1f;
  far = far * t - 1.28717512e-1f;
  const V beyond = 0.5f * exponential(far * t - t);
  V near = -5.96761703e-4f * s + 4.99119423e-3f;
  near = near * s - 2.67681349e-2f;
  near = near * s + 1.12819925e-1f;
  near = near * s - 3.76125336e-1f;
  near = near * s + 1.28379166e-1f;
  near = near * z + z;
  return t > 0.927734375f ? (z < 0.0f ? beyond : 1.0f - beyond) : 0.5f * near + 0.5f;
}

}  // namespace tacit
