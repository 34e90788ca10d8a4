#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lib/kernels/bf16.h"
#include "lib/kernels/cpu_clones.h"

// Vector arithmetic for the CPU versions, for use in functions marked TACIT_CPU_CLONES. Partial sums are kept a lane,
// so that the order of additions does not depend on the width of the machine's registers.
namespace tacit {

// Every function here is inlined: no vector is ever handed over by the default instruction set's rules.
#pragma GCC diagnostic ignored "-Wpsabi"

constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t LaneBits __attribute__((vector_size(32), aligned(4), may_alias));
typedef Bf16 HalfLanes __attribute__((vector_size(16), aligned(2), may_alias));

[[gnu::always_inline]] inline Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
[[gnu::always_inline]] inline Lanes load(const Bf16* from) {
  const LaneBits bits = __builtin_convertvector(*reinterpret_cast<const HalfLanes*>(from), LaneBits) << 16;
  return reinterpret_cast<const Lanes&>(bits);
}
[[gnu::always_inline]] inline void store(float* to, Lanes x) { *reinterpret_cast<Lanes*>(to) = x; }
[[gnu::always_inline]] inline void store(Bf16* to, Lanes x) {
  const LaneBits bits = reinterpret_cast<const LaneBits&>(x);
  const LaneBits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const LaneBits number = __builtin_convertvector(x == x, LaneBits);  // all ones, but for NaN
  *reinterpret_cast<HalfLanes*>(to) = __builtin_convertvector((rounded & number) | (0x7fc0 & ~number), HalfLanes);
}

// The same of the first `count` lanes where there are fewer; the others are 0, and left alone.
template <bool kWhole, class T>
[[gnu::always_inline]] inline Lanes load(const T* from, int64_t count) {
  if (kWhole || count >= kLanes) return load(from);
  T part[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = from[i];
  return load(part);
}
template <bool kWhole, class T>
[[gnu::always_inline]] inline void store(T* to, Lanes x, int64_t count) {
  if (kWhole || count >= kLanes) return store(to, x);
  T part[kLanes];
  store(part, x);
  for (int64_t i = 0; i < count; ++i) to[i] = part[i];
}

// Calls step(i, count) for every group of lanes of 0 .. size - 1: with WholeLanes, but for a rest at the end. `step`
// must be inlined too (TACIT_INLINE), lest it be compiled for the default instruction set.
using WholeLanes = std::integral_constant<int64_t, kLanes>;
#define TACIT_INLINE __attribute__((always_inline))
template <class Step>
[[gnu::always_inline]] inline void by_lanes(int64_t size, const Step& step) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) step(i, WholeLanes());
  if (i < size) step(i, size - i);
}
template <class T, class Count>
[[gnu::always_inline]] inline Lanes load_part(const T* from, Count count) {
  return load<std::is_same_v<Count, WholeLanes>>(from, count);
}
template <class T, class Count>
[[gnu::always_inline]] inline void store_part(T* to, Lanes x, Count count) {
  store<std::is_same_v<Count, WholeLanes>>(to, x, count);
}

[[gnu::always_inline]] inline float total(Lanes x) {
  typedef float Half __attribute__((vector_size(16)));
  const Half four = __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

}  // namespace tacit
