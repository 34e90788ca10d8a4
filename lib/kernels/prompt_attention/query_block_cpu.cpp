#include "lib/kernels/prompt_attention/query_block.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "lib/kernels/cpu_math.h"

namespace tacit {
namespace {

// Queries stand in the lanes of vectors, two vectors of them together; keys and values are read number by number and
// handed to all lanes. So nothing is packed or added across lanes, and every query's sums have one order.
constexpr int kVectors = 2;
constexpr int64_t kValuesTogether = 64;  // columns whose values stay in the first cache while they are summed

// A matrix of which every number is handed to all lanes.
struct Numbers {
  const float* data;
  int64_t stride, depth_stride;
};

// y[i] (+)= sum_k a[i, k] x[k] for kRows rows of a; x[k] and y[i] are kVectors vectors.
template <int kWidth, int kRows>
[[gnu::always_inline]] inline void multiply(const Numbers& a, const float* x, int64_t depth, float* y, bool add) {
  using F = typename Vectors<kWidth>::F;
  constexpr int kLanes = kVectors * kWidth;
  F sum[kRows][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      sum[i][v] = add ? *reinterpret_cast<const F*>(y + i * kLanes + v * kWidth) : F{};
    }
  }
  const float* number = a.data;
  for (int64_t k = 0; k < depth; ++k, number += a.depth_stride, x += kLanes) {
    F some[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) some[v] = *reinterpret_cast<const F*>(x + v * kWidth);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] += some[v] * number[i * a.stride];
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<F*>(y + i * kLanes + v * kWidth) = sum[i][v];
  }
}

// The same for any number of rows, of which six at a time fill the registers with sums.
template <int kWidth>
[[gnu::always_inline]] inline void multiply_rows(Numbers a, int64_t rows, const float* x, int64_t depth, float* y,
                                                 bool add) {
  int64_t i = 0;
  const auto multiply_some = [&]<int kRows>(std::integral_constant<int, kRows>) __attribute__((always_inline)) {
    for (; i + kRows <= rows; i += kRows) {
      multiply<kWidth, kRows>({a.data + i * a.stride, a.stride, a.depth_stride}, x, depth, y + i * kVectors * kWidth,
                              add);
    }
  };
  multiply_some(std::integral_constant<int, 6>());
  multiply_some(std::integral_constant<int, 4>());
  multiply_some(std::integral_constant<int, 1>());
}

template <int kWidth>
[[gnu::always_inline]] inline void attend(const QueryBlock& block) {
  using F = typename Vectors<kWidth>::F;
  using I = typename Vectors<kWidth>::I;
  constexpr int kLanes = kVectors * kWidth;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float* scores = block.scores_SQ;
  multiply_rows<kWidth>({block.k_SE, block.key_stride, 1}, block.most_seen, block.q_EQ, block.key_size, scores,
                        /*add=*/false);
  for (int v = 0; v < kVectors; ++v) {
    const I seen = *reinterpret_cast<const I*>(block.seen_Q + v * kWidth);
    const auto at = [&](int64_t s) __attribute__((always_inline))->F& {
      return *reinterpret_cast<F*>(scores + s * kLanes + v * kWidth);
    };
    // What a query does not see sets no scale and weighs nothing. NaN sets none either: the exponential keeps it.
    F largest = F{} - kInfinity, total = {};
    for (int64_t s = 0; s < block.most_seen; ++s) {
      const F score = at(s);
      const I hidden = seen <= static_cast<int32_t>(s);
      const F candidate = hidden ? F{} - kInfinity : score;
      largest = candidate > largest ? candidate : largest;
    }
    for (int64_t s = 0; s < block.most_seen; ++s) {
      F share = at(s) - largest;
      exponentiate<kWidth>(share);
      const I hidden = seen <= static_cast<int32_t>(s);
      share = hidden ? F{} : share;
      total += share;
      at(s) = share;
    }
    *reinterpret_cast<F*>(block.factor_Q + v * kWidth) = total == 0.0f ? F{} : 1.0f / total;
  }
  for (int64_t s = 0; s == 0 || s < block.most_seen; s += kValuesTogether) {
    const int64_t count = std::min(kValuesTogether, block.most_seen - s);
    multiply_rows<kWidth>({block.v_SE + s * block.value_stride, 1, block.value_stride}, block.value_size,
                          scores + s * kLanes, count, block.y_EQ, /*add=*/s > 0);
  }
}

void plain_attend(const QueryBlock& block) { attend<4>(block); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_attend(const QueryBlock& block) { attend<8>(block); }
TACIT_AVX512 void avx512_attend(const QueryBlock& block) { attend<16>(block); }
#endif

}  // namespace

AttendQueries attend_queries(CpuVectors vectors) {
#if defined(__x86_64__)
  if (vectors == CpuVectors::avx512) return {kVectors * 16, avx512_attend};
  if (vectors == CpuVectors::avx2) return {kVectors * 8, avx2_attend};
#endif
  return {kVectors * 4, plain_attend};
}

}  // namespace tacit
