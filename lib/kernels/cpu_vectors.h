#pragma once

#include <cstdint>

// For kernels written out in vectors: a template over their width, made for each instruction set by a function that
// names it. A vector is never passed by value: how that is done depends on the instruction set.
#if defined(__x86_64__)
#define TACIT_AVX2 __attribute__((target("avx2,fma")))
#define TACIT_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")))
#endif

namespace tacit {

enum class CpuVectors { plain, avx2, avx512 };

// The widest that this CPU has.
inline CpuVectors cpu_vectors() {
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return CpuVectors::avx512;
  if (avx2) return CpuVectors::avx2;
#endif
  return CpuVectors::plain;
}

// kWidth floats, their bits, or as many bf16, at any address, and integers.
template <int kWidth>
struct Vectors;
template <>
struct Vectors<4> {
  typedef float F __attribute__((vector_size(16), aligned(4), may_alias));
  typedef uint32_t U __attribute__((vector_size(16), aligned(2), may_alias));
  typedef uint16_t H __attribute__((vector_size(8), aligned(2), may_alias));
  typedef int32_t I __attribute__((vector_size(16), aligned(4), may_alias));
};
template <>
struct Vectors<8> {
  typedef float F __attribute__((vector_size(32), aligned(4), may_alias));
  typedef uint32_t U __attribute__((vector_size(32), aligned(2), may_alias));
  typedef uint16_t H __attribute__((vector_size(16), aligned(2), may_alias));
  typedef int32_t I __attribute__((vector_size(32), aligned(4), may_alias));
};
template <>
struct Vectors<16> {
  typedef float F __attribute__((vector_size(64), aligned(4), may_alias));
  typedef uint32_t U __attribute__((vector_size(64), aligned(2), may_alias));
  typedef uint16_t H __attribute__((vector_size(32), aligned(2), may_alias));
  typedef int32_t I __attribute__((vector_size(64), aligned(4), may_alias));
};

}  // namespace tacit
