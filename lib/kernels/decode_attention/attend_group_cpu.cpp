#include "lib/kernels/decode_attention/attend_group.h"

#include <algorithm>
#include <limits>

#include "lib/kernels/cpu_math.h"
#include "lib/kernels/cpu_vectors.h"

namespace tacit {
namespace {

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

template <int kWidth, class T>
[[gnu::always_inline]] inline float dot(const float* q, const T* k, int64_t size) {
  using F = typename Vectors<kWidth>::F;
  F even{}, odd{}, x, y;
  int64_t e = 0;
  for (; e + 2 * kWidth <= size; e += 2 * kWidth) {
    load<kWidth>(k + e, x);
    load<kWidth>(q + e, y);
    even += x * y;
    load<kWidth>(k + e + kWidth, x);
    load<kWidth>(q + e + kWidth, y);
    odd += x * y;
  }
  even += odd;
  float lanes[kWidth];
  *reinterpret_cast<F*>(lanes) = even;
#pragma GCC unroll 4
  for (int half = kWidth / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  for (; e < size; ++e) lanes[0] += q[e] * widen(k[e]);
  return lanes[0];
}

// y[e ..] = sum_s weight_s v_s[e ..], kVectors vectors of it.
template <int kWidth, int kVectors, class T>
[[gnu::always_inline]] inline void weigh(const AttendGroup& group, const T* v, float factor, float* y) {
  using F = typename Vectors<kWidth>::F;
  F sum[kVectors] = {}, x;
  for (int64_t s = 0; s < group.stored; ++s, v += group.value_stride) {
    const float weight = group.scores_S[s];
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      load<kWidth>(v + i * kWidth, x);
      sum[i] += x * weight;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kVectors; ++i) *reinterpret_cast<F*>(y + i * kWidth) = sum[i] * factor;
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
  for (int64_t h = 0; h < group.heads; ++h) {
    const float* q = group.q_HE + h * group.key_size;
    float* y = group.y_HE + h * group.value_size;
    float* scores = group.scores_S;
    float largest = -std::numeric_limits<float>::infinity();
    const T* k = keys;
    for (int64_t s = 0; s < group.stored; ++s, k += group.key_stride) {
      scores[s] = group.scale * dot<kWidth>(q, k, group.key_size);
      if (!group.seen_S || group.seen_S[s]) largest = std::max(largest, scores[s]);
    }
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
