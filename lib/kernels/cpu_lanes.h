#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lib/kernels/bf16.h"
#include "lib/kernels/cpu_clones.h"

// Vector arithmetic for the CPU versions, for use in functions that are compiled for several instruction sets. Partial
// sums are kept a lane, so that the order of additions does not depend on the width of the machine's registers.
namespace tacit {

// Every function here is inlined: no vector is ever handed over by the default instruction set's rules.
#pragma GCC diagnostic ignored "-Wpsabi"

constexpr int64_t kLanes = 8;
typedef float Lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t LaneBits __attribute__((vector_size(32), aligned(4), may_alias));
typedef Bf16 HalfLanes __attribute__((vector_size(16), aligned(2), may_alias));
// Twice as many.
constexpr int64_t kWideLanes = 16;
typedef float WideLanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t WideLaneBits __attribute__((vector_size(64), aligned(4), may_alias));
typedef Bf16 WideHalfLanes __attribute__((vector_size(32), aligned(2), may_alias));

[[gnu::always_inline]] inline Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }
[[gnu::always_inline]] inline Lanes load(const Bf16* from) {
  return reinterpret_cast<Lanes>(__builtin_convertvector(*reinterpret_cast<const HalfLanes*>(from), LaneBits) << 16);
}
[[gnu::always_inline]] inline WideLanes load_wide(const float* from) {
  return *reinterpret_cast<const WideLanes*>(from);
}
[[gnu::always_inline]] inline WideLanes load_wide(const Bf16* from) {
  return reinterpret_cast<WideLanes>(
      __builtin_convertvector(*reinterpret_cast<const WideHalfLanes*>(from), WideLaneBits) << 16);
}
// `number` is all ones, but for NaN.
template <class Bits>
[[gnu::always_inline]] inline Bits rounded_to_bf16(Bits bits, Bits number) {
  return (((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) & number) | (0x7fc0 & ~number);
}
[[gnu::always_inline]] inline void store(float* to, Lanes x) { *reinterpret_cast<Lanes*>(to) = x; }
[[gnu::always_inline]] inline void store(Bf16* to, Lanes x) {
  const LaneBits rounded = rounded_to_bf16(reinterpret_cast<LaneBits>(x), reinterpret_cast<LaneBits>(x == x));
  *reinterpret_cast<HalfLanes*>(to) = __builtin_convertvector(rounded, HalfLanes);
}
[[gnu::always_inline]] inline void store(float* to, WideLanes x) { *reinterpret_cast<WideLanes*>(to) = x; }
[[gnu::always_inline]] inline void store(Bf16* to, WideLanes x) {
  const WideLaneBits rounded =
      rounded_to_bf16(reinterpret_cast<WideLaneBits>(x), reinterpret_cast<WideLaneBits>(x == x));
  *reinterpret_cast<WideHalfLanes*>(to) = __builtin_convertvector(rounded, WideHalfLanes);
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
[[gnu::always_inline]] inline void by_lanes(int64_t begin, int64_t end, const Step& step) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) step(i, WholeLanes());
  if (i < end) step(i, end - i);
}
template <class Step>
[[gnu::always_inline]] inline void by_lanes(int64_t size, const Step& step) {
  by_lanes(0, size, step);
}
// The same by twice as many, with WholeWideLanes, as far as they go.
using WholeWideLanes = std::integral_constant<int64_t, kWideLanes>;
template <class Step>
[[gnu::always_inline]] inline void by_wide_lanes(int64_t size, const Step& step) {
  int64_t i = 0;
  for (; i + kWideLanes <= size; i += kWideLanes) step(i, WholeWideLanes());
  by_lanes(i, size, step);
}
template <class T, class Count>
[[gnu::always_inline]] inline auto load_part(const T* from, Count count) {
  if constexpr (std::is_same_v<Count, WholeWideLanes>) {
    return load_wide(from);
  } else {
    return load<std::is_same_v<Count, WholeLanes>>(from, count);
  }
}
template <class T, class V, class Count>
[[gnu::always_inline]] inline void store_part(T* to, V x, Count count) {
  if constexpr (std::is_same_v<Count, WholeWideLanes>) {
    static_assert(sizeof(x) == sizeof(WideLanes));
    store(to, x);
  } else {
    store<std::is_same_v<Count, WholeLanes>>(to, x, count);
  }
}

[[gnu::always_inline]] inline float total(Lanes x) {
  typedef float Half __attribute__((vector_size(16)));
  const Half four = __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

}  // namespace tacit
