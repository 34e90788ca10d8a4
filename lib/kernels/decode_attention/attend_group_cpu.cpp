#include "lib/kernels/decode_attention/attend_group.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "lib/kernels/bf16.h"
#include "lib/kernels/cpu_math.h"
#include "lib/kernels/cpu_vectors.h"

namespace tacit {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <int kWidth>
[[gnu::always_inline]] inline void load(const float* from, typename Vectors<kWidth>::F& to) {
  to = *reinterpret_cast<const typename Vectors<kWidth>::F*>(from);
}
template <int kWidth>
[[gnu::always_inline]] inline void load(const Bf16* from, typename Vectors<kWidth>::F& to) {
  using H = typename Vectors<kWidth>::H;
  using U = typename Vectors<kWidth>::U;
  to = reinterpret_cast<typename Vectors<kWidth>::F>(__builtin_convertvector(*reinterpret_cast<const H*>(from), U)
                                                     << 16);
}

// Two neighbours of bf16 in one lane's 32 bits: the even one is the low half shifted up, the odd one the high half.
// Made so, 2 kWidth numbers cost one load and two instructions; widening them in order costs a shuffle for each vector.
template <int kWidth>
[[gnu::always_inline]] inline void load_pairs(const Bf16* from, typename Vectors<kWidth>::F& even,
                                              typename Vectors<kWidth>::F& odd) {
  using F = typename Vectors<kWidth>::F;
  using U = typename Vectors<kWidth>::U;
  const U bits = *reinterpret_cast<const U*>(from);
  even = reinterpret_cast<F>(bits << 16);
  odd = reinterpret_cast<F>(bits & 0xffff0000u);
}

// What the loops below read soon. Keys are read in two halves at a time and, with AVX-512, values fetched beside them:
// one stream a core does not fill the way to memory. With AVX2 the loads alone run further ahead (docs/log.md).
template <int kColumns, class T>
[[gnu::always_inline]] inline void fetch(const T* columns, int64_t stride, int64_t size) {
  for (int64_t c = 0; c < kColumns; ++c, columns += stride) {
    const char* bytes = reinterpret_cast<const char*>(columns);
    for (int64_t line = 0; line < size * static_cast<int64_t>(sizeof(T)); line += 64) __builtin_prefetch(bytes + line);
  }
}

// sum[c] + sum[c + kHalf] for each c below kHalf, in which the lanes without and with kHalf in their number hold the
// one and the other, halved: every lane plus that which is kHalf apart; and so on, until lane c of sum[0] is the total
// of column c. The orders are constants: one that a loop builds is built at run time. The vector's type is named, not
// deduced: a deduced one loses its alignment.
template <int kHalf, int kWidth, int... kLane>
[[gnu::always_inline]] inline void add_halves(typename Vectors<kWidth>::F& low, const typename Vectors<kWidth>::F& high,
                                              std::integer_sequence<int, kLane...>) {
  low = __builtin_shufflevector(low, high, (kLane & kHalf ? kWidth + (kLane ^ kHalf) : kLane)...) +
        __builtin_shufflevector(low, high, (kLane & kHalf ? kWidth + kLane : kLane ^ kHalf)...);
}
template <int kHalf, int kWidth>
[[gnu::always_inline]] inline void totals(typename Vectors<kWidth>::F (&sum)[kWidth]) {
#pragma GCC unroll 8
  for (int c = 0; c < kHalf; ++c) {
    add_halves<kHalf, kWidth>(sum[c], sum[c + kHalf], std::make_integer_sequence<int, kWidth>());
  }
  if constexpr (kHalf > 1) totals<kHalf / 2, kWidth>(sum);
}

// q as products() reads it beside keys of bf16: of every 2 kWidth numbers the even ones, then the odd ones.
template <int kWidth>
[[gnu::always_inline]] inline void split_pairs(const float* q, int64_t size, float* split) {
  int64_t e = 0;
  for (; e + 2 * kWidth <= size; e += 2 * kWidth) {
    for (int j = 0; j < kWidth; ++j) {
      split[e + j] = q[e + 2 * j];
      split[e + kWidth + j] = q[e + 2 * j + 1];
    }
  }
  for (; e < size; ++e) split[e] = q[e];
}

// sum = q . k_c of kColumns columns, lane by lane, as far as whole vectors go: to where they end.
template <int kWidth, int kColumns, class T>
[[gnu::always_inline]] inline int64_t products(const float* q, const T* k, int64_t stride, int64_t size,
                                               typename Vectors<kWidth>::F (&sum)[kColumns]) {
  using F = typename Vectors<kWidth>::F;
  F x, y;
#pragma GCC unroll 16
  for (int c = 0; c < kColumns; ++c) sum[c] = F{};
  int64_t e = 0;
  if constexpr (std::is_same_v<T, Bf16>) {
    F odd_x, odd_y;
    for (; e + 2 * kWidth <= size; e += 2 * kWidth) {
      load<kWidth>(q + e, y);
      load<kWidth>(q + e + kWidth, odd_y);
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) {
        load_pairs<kWidth>(k + c * stride + e, x, odd_x);
        sum[c] += x * y;
        sum[c] += odd_x * odd_y;
      }
    }
  } else {
    for (; e + kWidth <= size; e += kWidth) {
      load<kWidth>(q + e, y);
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) {
        load<kWidth>(k + c * stride + e, x);
        sum[c] += x * y;
      }
    }
  }
  return e;
}

// What of q . k_c is behind the whole vectors, column c in lane c: in vectors, so that numbers of a column are
// multiplied and added alike whatever stands beside it.
template <int kWidth, int kColumns, class T>
[[gnu::always_inline]] inline void add_rest(const float* q, const T* k, int64_t stride, int64_t from, int64_t size,
                                            typename Vectors<kWidth>::F& sum) {
  for (int64_t e = from; e < size; ++e) {
    typename Vectors<kWidth>::F some = {};
    for (int c = 0; c < kColumns; ++c) some[c] = widen(k[c * stride + e]);
    sum += some * q[e];
  }
}

// scores[c] = factor * q . k_c of kWidth columns, and of one: each column's sum has one order.
template <int kWidth, class T>
[[gnu::always_inline]] inline void score_columns(const float* q, const T* k, int64_t stride, int64_t size, float factor,
                                                 float* scores) {
  using F = typename Vectors<kWidth>::F;
  F sum[kWidth];
  const int64_t whole = products<kWidth>(q, k, stride, size, sum);
  totals<kWidth / 2, kWidth>(sum);
  add_rest<kWidth, kWidth>(q, k, stride, whole, size, sum[0]);
  *reinterpret_cast<F*>(scores) = sum[0] * factor;
}
template <int kHalf, int kWidth>
[[gnu::always_inline]] inline void add_across(typename Vectors<kWidth>::F& sum) {
  const typename Vectors<kWidth>::F same = sum;
  add_halves<kHalf, kWidth>(sum, same, std::make_integer_sequence<int, kWidth>());
  if constexpr (kHalf > 1) add_across<kHalf / 2, kWidth>(sum);
}
template <int kWidth, class T>
[[gnu::always_inline]] inline float score_column(const float* q, const T* k, int64_t size, float factor) {
  typename Vectors<kWidth>::F sum[1];
  const int64_t whole = products<kWidth>(q, k, 0, size, sum);
  add_across<kWidth / 2, kWidth>(sum[0]);
  add_rest<kWidth, 1>(q, k, 0, whole, size, sum[0]);
  return sum[0][0] * factor;
}

// y[e ..] = sum_s weight_s v_s[e ..], kVectors vectors of it.
template <int kWidth, int kVectors, class T>
[[gnu::always_inline]] inline void weigh(const AttendGroup& group, const T* v, float factor, float* y) {
  using F = typename Vectors<kWidth>::F;
  F sum[kVectors] = {}, x;
  constexpr bool pairs = std::is_same_v<T, Bf16> && kVectors > 1;
  for (int64_t s = 0; s < group.stored; ++s, v += group.value_stride) {
    const float weight = group.scores_S[s];
    if constexpr (pairs) {
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; i += 2) {
        F odd;
        load_pairs<kWidth>(v + i * kWidth, x, odd);
        sum[i] += x * weight;
        sum[i + 1] += odd * weight;
      }
    } else {
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; ++i) {
        load<kWidth>(v + i * kWidth, x);
        sum[i] += x * weight;
      }
    }
  }
  for (int i = 0; i < kVectors; ++i) {
    for (int j = 0; j < kWidth; ++j) {
      y[pairs ? (i / 2 * kWidth + j) * 2 + i % 2 : i * kWidth + j] = sum[i][j] * factor;
    }
  }
}

// NaN counts as nothing: the exponential keeps it.
template <int kWidth>
[[gnu::always_inline]] inline float largest_of(const float* scores, int64_t count) {
  using F = typename Vectors<kWidth>::F;
  F lanes = F{} - kInfinity, some;
  int64_t s = 0;
  for (; s + kWidth <= count; s += kWidth) {
    load<kWidth>(scores + s, some);
    lanes = some > lanes ? some : lanes;
  }
  float largest = -kInfinity;
  for (int j = 0; j < kWidth; ++j) largest = std::max(largest, lanes[j]);
  for (; s < count; ++s) largest = scores[s] > largest ? scores[s] : largest;
  return largest;
}

// Scores become exp(score - largest); their sum by sixteen partial sums, whatever the width.
template <int kWidth>
[[gnu::always_inline]] inline float exponentials(float* scores, int64_t count, float largest) {
  using F = typename Vectors<kWidth>::F;
  constexpr int kSums = 16, kVectors = kSums / kWidth;
  F some;
  float partial[kSums] = {}, total = 0;
  int64_t s = 0;
  const auto exponentiate_sixteen = [&](float* at) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      load<kWidth>(at + v * kWidth, some);
      some -= largest;
      exponentiate<kWidth>(some);
      *reinterpret_cast<F*>(at + v * kWidth) = some;
    }
  };
  for (; s + kSums <= count; s += kSums) {
    exponentiate_sixteen(scores + s);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      load<kWidth>(scores + s + v * kWidth, some);
      *reinterpret_cast<F*>(partial + v * kWidth) += some;
    }
  }
  if (s < count) {
    float rest[kSums] = {};
    std::copy(scores + s, scores + count, rest);
    exponentiate_sixteen(rest);
    for (int j = 0; s < count; ++s, ++j) partial[j] += scores[s] = rest[j];
  }
  for (const float one : partial) total += one;
  return total;
}

template <int kWidth, class T>
[[gnu::always_inline]] inline void attend(const AttendGroup& group) {
  const T* keys = static_cast<const T*>(group.k_SE);
  const T* values = static_cast<const T*>(group.v_SE);
  const bool values_apart = group.v_SE != group.k_SE;
  for (int64_t h = 0; h < group.heads; ++h) {
    const float* q = group.q_HE + h * group.key_size;
    if constexpr (std::is_same_v<T, Bf16>) {
      split_pairs<kWidth>(q, group.key_size, group.q_split_E);
      q = group.q_split_E;
    }
    float* y = group.y_HE + h * group.value_size;
    float* scores = group.scores_S;
    const auto score_some = [&](int64_t s) __attribute__((always_inline)) {
      const T* k = keys + s * group.key_stride;
      if (kWidth == 16 && h == 0) {
        fetch<kWidth>(k + kWidth * group.key_stride, group.key_stride, group.key_size);
        if (values_apart) fetch<kWidth>(values + s * group.value_stride, group.value_stride, group.value_size);
      }
      score_columns<kWidth>(q, k, group.key_stride, group.key_size, group.scale, scores + s);
    };
    const int64_t half = group.stored / (2 * kWidth) * kWidth;
    for (int64_t s = 0; s < half; s += kWidth) {
      score_some(s);
      score_some(half + s);
    }
    int64_t rest = 2 * half;
    for (; rest + kWidth <= group.stored; rest += kWidth) score_some(rest);
    for (int64_t s = rest; s < group.stored; ++s) {
      scores[s] = score_column<kWidth>(q, keys + s * group.key_stride, group.key_size, group.scale);
    }
    if (group.seen_S) {  // what is not seen weighs nothing, and must not set the scale either
      for (int64_t s = 0; s < group.stored; ++s) scores[s] = group.seen_S[s] ? scores[s] : -kInfinity;
    }
    const float largest = largest_of<kWidth>(scores, group.stored);
    float total = exponentials<kWidth>(scores, group.stored, largest);
    if (group.seen_S) {
      total = 0;
      for (int64_t s = 0; s < group.stored; ++s) total += scores[s] = group.seen_S[s] ? scores[s] : 0;
    }
    const float factor = total == 0 ? 0 : 1 / total;
    int64_t e = 0;
    for (; e + 8 * kWidth <= group.value_size; e += 8 * kWidth) weigh<kWidth, 8>(group, values + e, factor, y + e);
    if (e + 4 * kWidth <= group.value_size) weigh<kWidth, 4>(group, values + e, factor, y + e), e += 4 * kWidth;
    if (e + 2 * kWidth <= group.value_size) weigh<kWidth, 2>(group, values + e, factor, y + e), e += 2 * kWidth;
    if (e + kWidth <= group.value_size) weigh<kWidth, 1>(group, values + e, factor, y + e), e += kWidth;
    for (; e < group.value_size; ++e) {
      float sum = 0;
      for (int64_t s = 0; s < group.stored; ++s) sum += scores[s] * widen(values[s * group.value_stride + e]);
      y[e] = sum * factor;
    }
  }
}

void plain_fp32(const AttendGroup& group) { attend<4, float>(group); }
void plain_bf16(const AttendGroup& group) { attend<4, Bf16>(group); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_fp32(const AttendGroup& group) { attend<8, float>(group); }
TACIT_AVX2 void avx2_bf16(const AttendGroup& group) { attend<8, Bf16>(group); }
TACIT_AVX512 void avx512_fp32(const AttendGroup& group) { attend<16, float>(group); }
TACIT_AVX512 void avx512_bf16(const AttendGroup& group) { attend<16, Bf16>(group); }
#endif

}  // namespace

Attend attend_group(Scalar scalar, CpuVectors vectors) {
  const bool bf16 = scalar == Scalar::bf16;
#if defined(__x86_64__)
  switch (vectors) {
    case CpuVectors::avx512: return bf16 ? avx512_bf16 : avx512_fp32;
    case CpuVectors::avx2: return bf16 ? avx2_bf16 : avx2_fp32;
    case CpuVectors::plain: break;
  }
#endif
  return bf16 ? plain_bf16 : plain_fp32;
}

}  // namespace tacit
