#include "lib/kernels/decode_attention/attend_group.h"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

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

// What the loops below read soon. Keys are read in two halves at a time and values fetched beside them: one stream a
// core does not fill the way to memory (docs/log.md).
template <class T>
[[gnu::always_inline]] inline void fetch(const T* columns, int64_t stride, int64_t size) {
  for (int64_t c = 0; c < 4; ++c, columns += stride) {
    const char* bytes = reinterpret_cast<const char*>(columns);
    for (int64_t line = 0; line < size * static_cast<int64_t>(sizeof(T)); line += 64) __builtin_prefetch(bytes + line);
  }
}

// x + x with its lanes changed over, kHalf apart. The order is a constant: one that a loop builds is built at run time.
// The vector's type is named, not deduced: a deduced one loses its alignment.
template <int kHalf, int kWidth, int... kLane>
[[gnu::always_inline]] inline void add_across(typename Vectors<kWidth>::F& x, std::integer_sequence<int, kLane...>) {
  x += __builtin_shufflevector(x, x, (kLane ^ kHalf)...);
}
template <int kHalf, int kWidth, int kColumns>
[[gnu::always_inline]] inline void add_across(typename Vectors<kWidth>::F (&sum)[kColumns]) {
#pragma GCC unroll 8
  for (int c = 0; c < kColumns; ++c) add_across<kHalf, kWidth>(sum[c], std::make_integer_sequence<int, kWidth>());
  if constexpr (kHalf > 1) add_across<kHalf / 2, kWidth>(sum);
}

// q as dots() reads it beside keys of bf16: of every 2 kWidth numbers the even ones, then the odd ones.
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

// scores[c] = factor * q . k_c of kColumns columns; each column's sum has one order, however many go together.
template <int kWidth, int kColumns, class T>
[[gnu::always_inline]] inline void dots(const float* q, const T* k, int64_t stride, int64_t size, float factor,
                                        float* scores) {
  using F = typename Vectors<kWidth>::F;
  F sum[kColumns] = {}, x, y;
  int64_t e = 0;
  if constexpr (std::is_same_v<T, Bf16>) {
    F odd_x, odd_y;
    for (; e + 2 * kWidth <= size; e += 2 * kWidth) {
      load<kWidth>(q + e, y);
      load<kWidth>(q + e + kWidth, odd_y);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
        load_pairs<kWidth>(k + c * stride + e, x, odd_x);
        sum[c] += x * y;
        sum[c] += odd_x * odd_y;
      }
    }
  } else {
    for (; e + kWidth <= size; e += kWidth) {
      load<kWidth>(q + e, y);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) {
        load<kWidth>(k + c * stride + e, x);
        sum[c] += x * y;
      }
    }
  }
  add_across<kWidth / 2, kWidth>(sum);
#pragma GCC unroll 8
  for (int c = 0; c < kColumns; ++c) {
    float total = sum[c][0];
    for (int64_t rest = e; rest < size; ++rest) total += q[rest] * widen(k[c * stride + rest]);
    scores[c] = total * factor;
  }
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
[[gnu::always_inline]] inline float largest_of(const float* scores, int64_t count) {
  float lanes[16];
  for (float& lane : lanes) lane = -kInfinity;
  int64_t s = 0;
  for (; s + 16 <= count; s += 16) {
    for (int j = 0; j < 16; ++j) lanes[j] = lanes[j] < scores[s + j] ? scores[s + j] : lanes[j];
  }
  for (; s < count; ++s) lanes[0] = lanes[0] < scores[s] ? scores[s] : lanes[0];
  for (const float lane : lanes) lanes[0] = std::max(lanes[0], lane);
  return lanes[0];
}

// Scores become exp(score - largest); their sum, lane by lane, in an order of its own.
template <int kWidth>
[[gnu::always_inline]] inline float exponentials(float* scores, int64_t count, float largest) {
  float lanes[16] = {};
  int64_t s = 0;
  for (; s + 16 <= count; s += 16) {
    for (int j = 0; j < 16; ++j) {
      scores[s + j] = exp_of(scores[s + j] - largest);
      lanes[j] += scores[s + j];
    }
  }
  for (; s < count; ++s) {
    scores[s] = exp_of(scores[s] - largest);
    lanes[s % 16] += scores[s];
  }
  float total = 0;
  for (float lane : lanes) total += lane;
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
    const auto score_four = [&](int64_t s) __attribute__((always_inline)) {
      const T* k = keys + s * group.key_stride;
      if (h == 0) {
        fetch(k + 8 * group.key_stride, group.key_stride, group.key_size);
        if (values_apart) fetch(values + s * group.value_stride, group.value_stride, group.value_size);
      }
      dots<kWidth, 4>(q, k, group.key_stride, group.key_size, group.scale, scores + s);
    };
    const int64_t half = group.stored / 8 * 4;
    for (int64_t s = 0; s < half; s += 4) {
      score_four(s);
      score_four(half + s);
    }
    int64_t rest = 2 * half;
    for (; rest + 4 <= group.stored; rest += 4) score_four(rest);
    for (int64_t s = rest; s < group.stored; ++s) {
      dots<kWidth, 1>(q, keys + s * group.key_stride, group.key_stride, group.key_size, group.scale, scores + s);
    }
    if (group.seen_S) {  // what is not seen weighs nothing, and must not set the scale either
      for (int64_t s = 0; s < group.stored; ++s) scores[s] = group.seen_S[s] ? scores[s] : -kInfinity;
    }
    const float largest = largest_of(scores, group.stored);
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
