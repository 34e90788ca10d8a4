#include <algorithm>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/packed_linear/packed_panels.h"

namespace tacit {
namespace {

// A panel is made of lines, a word of 32 bits for each of its outputs: one input of fp32, two of bf16, four of int8.
template <PanelKind kKind>
constexpr int64_t kLineInputs = kKind == PanelKind::fp32   ? 1
                                : kKind == PanelKind::bf16 ? 2
                                                           : 4;
constexpr int64_t kLine = kPanel * 4;  // bytes
template <PanelKind kKind>
constexpr int64_t weight_bytes(int64_t inputs) {
  return (inputs + kLineInputs<kKind> - 1) / kLineInputs<kKind> * kLine;
}

// Inputs of a panel for several rows. They stay in the first cache, beside those that come next.
template <int kWidth, PanelKind kKind>
constexpr int64_t kInputsTogether = kWidth == 16               ? 64
                                    : kKind == PanelKind::fp32 ? 32
                                    : kKind == PanelKind::bf16 ? 64
                                                               : 128;

// How far a single row prefetches. With AVX2, bf16 takes three instructions where fp32 takes one, so that its loads
// alone do not run far enough ahead of their use; those of fp32 do, and a prefetch beside them costs a fifth of the
// bandwidth (docs/log.md). With AVX-512, which reads several panels at once, both gain, and several rows prefetch the
// inputs that come next in the first pass over these.
template <int kWidth, PanelKind kKind>
constexpr int kAheadOfOne = kKind != PanelKind::fp32 || kWidth == 16 ? 1024 : 0;
template <PanelKind kKind>
constexpr int kAheadOfMany = static_cast<int>(kInputsTogether<16, kKind> / kLineInputs<kKind> * kLine);

template <PanelKind kKind>
constexpr int64_t bytes_of(int64_t inputs) {
  return weight_bytes<kKind>(inputs) + (kKind == PanelKind::int8 ? kPanel * 4 : 0);
}

// Input j of those that share a line's words, as floats.
template <int kWidth, PanelKind kKind>
[[gnu::always_inline]] inline void widen(const typename Vectors<kWidth>::U& word, int j,
                                         typename Vectors<kWidth>::F& out) {
  using F = typename Vectors<kWidth>::F;
  if constexpr (kKind == PanelKind::fp32) out = reinterpret_cast<F>(word);
  if constexpr (kKind == PanelKind::bf16) out = reinterpret_cast<F>(j == 0 ? word << 16 : word & 0xffff0000u);
  if constexpr (kKind == PanelKind::int8) {  // up, and down again with its sign
    using I = typename Vectors<kWidth>::I;
    out = __builtin_convertvector(reinterpret_cast<I>(word << (24 - 8 * j)) >> 24, F);
  }
}

// With AVX2 several rows fetch the inputs that come next evenly, while they multiply these. Fetched in the first pass
// alone, whose tiles go down the panel in columns, they come half as fast (docs/log.md).
struct NextInputs {
  const char* at;
  int64_t step;  // bytes for every vector that a tile multiplies, rows aside
};

// kVectors vectors of outputs of kPanels panels for kRows rows, summed over `inputs` of them into y. The sums stay in
// registers: on AVX2 eight to twelve of the sixteen, of which eight hide the latency of an addition; on AVX-512 up to
// 24 of 32.
template <int kWidth, PanelKind kKind, int kPanels, int kRows, int kVectors, int kAhead>
[[gnu::always_inline]] inline void tile(const char* weight, int64_t panel_stride, int64_t inputs, const float* x,
                                        int64_t x_stride, float* y, bool first, NextInputs* next) {
  using F = typename Vectors<kWidth>::F;
  using U = typename Vectors<kWidth>::U;
  constexpr int kInputs = static_cast<int>(kLineInputs<kKind>);
  constexpr int kSums = kPanels * kRows;
  F sum[kSums][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kSums; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = first ? F{} : *reinterpret_cast<const F*>(y + r * kPanel + v * kWidth);
    }
  }
  const int64_t whole = inputs / kInputs;
  constexpr int kBytes = kVectors * kWidth * 4;  // of a line, for this tile
  const char* fetched = next ? next->at : nullptr;
  const int64_t step = next ? next->step * kVectors : 0;
  for (int64_t k = 0; k < whole; ++k, weight += kLine) {
    const float* factor = x + kInputs * k;
    if (next) {
#pragma GCC unroll 4
      for (int line = 0; line < kBytes; line += 64) __builtin_prefetch(fetched + line);
      fetched += step;
    }
#pragma GCC unroll 6
    for (int p = 0; p < kPanels; ++p) {
      const char* panel = weight + p * panel_stride;
      if constexpr (kAhead > 0) {
#pragma GCC unroll 16
        for (int line = 0; line < kVectors * kWidth * 4; line += 64) __builtin_prefetch(panel + kAhead + line);
      }
      // Vectors widened before the rows take them: as many as there are registers for.
      constexpr int kTogether = kVectors < 2 || kInputs > 2 ? 1 : 2;
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; v += kTogether) {
        F part[kInputs][kTogether];
#pragma GCC unroll 2
        for (int i = 0; i < kTogether; ++i) {
          const U word = *reinterpret_cast<const U*>(panel + (v + i) * kWidth * 4);
#pragma GCC unroll 4
          for (int j = 0; j < kInputs; ++j) widen<kWidth, kKind>(word, j, part[j][i]);
        }
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
          for (int j = 0; j < kInputs; ++j) {
#pragma GCC unroll 2
            for (int i = 0; i < kTogether; ++i) sum[p * kRows + r][v + i] += part[j][i] * factor[r * x_stride + j];
          }
        }
      }
    }
  }
  if (next) next->at = fetched;
  const int64_t rest = inputs - whole * kInputs;  // the last weights share a word with nobody, or with fewer
  if (kInputs > 1 && rest > 0) {
    const float* factor = x + kInputs * whole;
#pragma GCC unroll 6
    for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const U word = *reinterpret_cast<const U*>(weight + p * panel_stride + v * kWidth * 4);
#pragma GCC unroll 4
        for (int j = 0; j + 1 < kInputs; ++j) {
          if (j >= rest) break;
          F part;
          widen<kWidth, kKind>(word, j, part);
#pragma GCC unroll 16
          for (int r = 0; r < kRows; ++r) sum[p * kRows + r][v] += part * factor[r * x_stride + j];
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kSums; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<F*>(y + r * kPanel + v * kWidth) = sum[r][v];
  }
}

// All 64 outputs of kRows rows.
template <int kWidth, PanelKind kKind, int kRows, int kAhead>
[[gnu::always_inline]] inline void rows(const char* weight, int64_t inputs, const float* x, int64_t x_stride, float* y,
                                        bool first, NextInputs* next = nullptr) {
  constexpr int kVectors = kWidth == 16 ? 4 : kRows == 1 ? 8 : kRows <= 3 ? 4 : 2;
  for (int64_t o = 0; o < kPanel; o += kVectors * kWidth) {
    tile<kWidth, kKind, 1, kRows, kVectors, kAhead>(weight + o * 4, 0, inputs, x, x_stride, y + o, first, next);
  }
}

// How many of the `left` rows of `all` a pass takes: 6, 4, 3, 2 or 1. 8 are 4 and 4, not 6 and 2.
template <int kWidth, PanelKind kKind>
int64_t rows_of_pass(int64_t left, int64_t all) {
  if (kWidth == 16) return left >= 6 && left != 8 ? 6 : left >= 4 ? 4 : std::min<int64_t>(left, 2);
  // One pass of six does not fetch fast enough; in bf16, which takes registers to widen, four are faster (docs/log.md).
  if (kKind == PanelKind::fp32 && all > 6 && left >= 6 && left != 8) return 6;
  return std::min<int64_t>(left, 4);
}

// Of the rows from r on those that the next pass takes.  -> how many
template <int kWidth, PanelKind kKind, int kAhead>
[[gnu::always_inline]] inline int64_t some_rows(const char* weight, int64_t inputs, const PanelCall& call, int64_t r,
                                                int64_t k, NextInputs* next = nullptr) {
  const float* x = call.x + r * call.x_stride + k;
  float* y = call.y + r * kPanel;
  const int64_t count = rows_of_pass<kWidth, kKind>(call.rows - r, call.rows);
  constexpr bool kSixes = kWidth == 16 || kKind == PanelKind::fp32;  // as rows_of_pass() has them
  switch (count) {
    case 6:
      if constexpr (kSixes) rows<kWidth, kKind, 6, kAhead>(weight, inputs, x, call.x_stride, y, k == 0, next);
      break;
    case 4: rows<kWidth, kKind, 4, kAhead>(weight, inputs, x, call.x_stride, y, k == 0, next); break;
    case 3: rows<kWidth, kKind, 3, kAhead>(weight, inputs, x, call.x_stride, y, k == 0, next); break;
    case 2: rows<kWidth, kKind, 2, kAhead>(weight, inputs, x, call.x_stride, y, k == 0, next); break;
    default: rows<kWidth, kKind, 1, kAhead>(weight, inputs, x, call.x_stride, y, k == 0, next);
  }
  return count;
}

template <PanelKind kKind, int kPanels>
[[gnu::always_inline]] inline void streams(const PanelCall& call, int64_t stride) {
  tile<16, kKind, kPanels, 1, 4, kAheadOfOne<16, kKind>>(static_cast<const char*>(call.weight), stride, call.inputs,
                                                         call.x, call.x_stride, call.y, true, nullptr);
}

// All panels for a single row: side by side where the registers hold so many sums.
template <int kWidth, PanelKind kKind>
[[gnu::always_inline]] inline void single_row(const PanelCall& call, int64_t stride) {
  if constexpr (kWidth == 16) {
    static_assert(kPanelsTogether == 6);
    switch (call.panels) {
      case 1: return streams<kKind, 1>(call, stride);
      case 2: return streams<kKind, 2>(call, stride);
      case 3: return streams<kKind, 3>(call, stride);
      case 4: return streams<kKind, 4>(call, stride);
      case 5: return streams<kKind, 5>(call, stride);
      default: return streams<kKind, 6>(call, stride);
    }
  } else {
    for (int64_t p = 0; p < call.panels; ++p) {
      rows<kWidth, kKind, 1, kAheadOfOne<kWidth, kKind>>(static_cast<const char*>(call.weight) + p * stride,
                                                         call.inputs, call.x, call.x_stride, call.y + p * kPanel, true);
    }
  }
}

template <int kWidth, PanelKind kKind>
[[gnu::always_inline]] inline void multiply(const PanelCall& call, int64_t stride) {
  if (call.rows == 1) return single_row<kWidth, kKind>(call, stride);
  int64_t passes = 0;
  if (kWidth != 16) {
    for (int64_t r = 0; r < call.rows; ++passes) r += rows_of_pass<kWidth, kKind>(call.rows - r, call.rows);
  }
  const int64_t step = kWidth * 4 / std::max<int64_t>(passes, 1);
  PanelCall one = call;
  for (int64_t p = 0; p < call.panels; ++p, one.y += call.rows * kPanel) {
    const char* weight = static_cast<const char*>(call.weight) + p * stride;
    constexpr int64_t kTogether = kInputsTogether<kWidth, kKind>;
    for (int64_t k = 0; k < call.inputs; k += kTogether) {
      const int64_t count = std::min(kTogether, call.inputs - k);
      const char* at = weight + weight_bytes<kKind>(k);
      int64_t r = 0;
      if constexpr (kWidth == 16) {
        r = some_rows<kWidth, kKind, kAheadOfMany<kKind>>(at, count, one, 0, k);
        while (r < call.rows) r += some_rows<kWidth, kKind, 0>(at, count, one, r, k);
      } else {
        NextInputs next{at + weight_bytes<kKind>(count), step};
        while (r < call.rows) r += some_rows<kWidth, kKind, 0>(at, count, one, r, k, &next);
      }
    }
  }
}

template <int kWidth, PanelKind kKind>
[[gnu::always_inline]] inline void product(const PanelCall& call) {
  const int64_t stride = bytes_of<kKind>(call.inputs);
  multiply<kWidth, kKind>(call, stride);
  if constexpr (kKind == PanelKind::int8) {
    for (int64_t i = 0; i < call.panels * call.rows; ++i) {
      const char* panel = static_cast<const char*>(call.weight) + i / call.rows * stride;
      const float* scale = reinterpret_cast<const float*>(panel + weight_bytes<kKind>(call.inputs));
      for (int64_t o = 0; o < kPanel; ++o) call.y[i * kPanel + o] *= scale[o];
    }
  }
}

void plain_fp32(const PanelCall& call) { product<4, PanelKind::fp32>(call); }
void plain_bf16(const PanelCall& call) { product<4, PanelKind::bf16>(call); }
void plain_int8(const PanelCall& call) { product<4, PanelKind::int8>(call); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_fp32(const PanelCall& call) { product<8, PanelKind::fp32>(call); }
TACIT_AVX2 void avx2_bf16(const PanelCall& call) { product<8, PanelKind::bf16>(call); }
TACIT_AVX2 void avx2_int8(const PanelCall& call) { product<8, PanelKind::int8>(call); }
TACIT_AVX512 void avx512_fp32(const PanelCall& call) { product<16, PanelKind::fp32>(call); }
TACIT_AVX512 void avx512_bf16(const PanelCall& call) { product<16, PanelKind::bf16>(call); }
TACIT_AVX512 void avx512_int8(const PanelCall& call) { product<16, PanelKind::int8>(call); }
#endif

PanelProduct one_of(PanelKind kind, PanelProduct fp32, PanelProduct bf16, PanelProduct int8) {
  return kind == PanelKind::fp32 ? fp32 : kind == PanelKind::bf16 ? bf16 : int8;
}

}  // namespace

PanelProduct panel_product(PanelKind kind, CpuVectors vectors) {
#if defined(__x86_64__)
  switch (vectors) {
    case CpuVectors::avx512: return one_of(kind, avx512_fp32, avx512_bf16, avx512_int8);
    case CpuVectors::avx2: return one_of(kind, avx2_fp32, avx2_bf16, avx2_int8);
    case CpuVectors::plain: break;
  }
#endif
  return one_of(kind, plain_fp32, plain_bf16, plain_int8);
}

int64_t panels_together(int64_t rows, int64_t left) {
  if (rows > 1) return std::min<int64_t>(left, 1);
  const int64_t calls = (left + kPanelsTogether - 1) / kPanelsTogether;
  return calls == 0 ? 0 : (left + calls - 1) / calls;  // 7 are 4 and 3, not 6 and 1
}

int64_t panel_scales_at(int64_t inputs) { return weight_bytes<PanelKind::int8>(inputs); }

int64_t panel_bytes(int64_t inputs, PanelKind kind) {
  switch (kind) {
    case PanelKind::fp32: return bytes_of<PanelKind::fp32>(inputs);
    case PanelKind::bf16: return bytes_of<PanelKind::bf16>(inputs);
    case PanelKind::int8: break;
  }
  return bytes_of<PanelKind::int8>(inputs);
}

}  // namespace tacit
