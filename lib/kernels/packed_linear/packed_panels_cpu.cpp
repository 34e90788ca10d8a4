#include <algorithm>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/packed_linear/packed_panels.h"

namespace tacit {
namespace {

// Inputs of a panel for several rows. They stay in the first cache, with AVX-512 also beside those that come next.
template <int kWidth>
constexpr int64_t kInputsTogether = kWidth == 16 ? 64 : 128;
// How far a single row prefetches. With AVX2, bf16 takes three instructions where fp32 takes one, so that its loads
// alone do not run far enough ahead of their use; those of fp32 do, and a prefetch beside them costs a fifth of the
// bandwidth (docs/log.md). With AVX-512, which reads several panels at once, both gain. Several rows prefetch the
// inputs that come next, in the first pass over these.
template <int kWidth, bool kBf16>
constexpr int kAheadOfOne = kBf16 || kWidth == 16 ? 1024 : 0;
template <int kWidth, bool kBf16>
constexpr int kAheadOfMany = kInputsTogether<kWidth>* kPanel*(kBf16 ? 2 : 4);

constexpr int64_t bytes_of(int64_t inputs, bool bf16) {
  return bf16 ? (inputs + 1) / 2 * kPanel * 4 : inputs * kPanel * 4;
}

// kVectors vectors of outputs of kPanels panels for kRows rows, summed over `inputs` of them into y. The sums stay in
// registers: on AVX2 eight of the sixteen, which is also what hides the latency of an addition; on AVX-512 up to 24
// of 32.
template <int kWidth, bool kBf16, int kPanels, int kRows, int kVectors, int kAhead>
[[gnu::always_inline]] inline void tile(const char* weight, int64_t panel_stride, int64_t inputs, const float* x,
                                        int64_t x_stride, float* y, bool first) {
  using F = typename Vectors<kWidth>::F;
  using U = typename Vectors<kWidth>::U;
  constexpr int64_t step = kPanel * 4;  // bytes: two inputs of bf16, or one of fp32
  constexpr int kSums = kPanels * kRows;
  F sum[kSums][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kSums; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      sum[r][v] = first ? F{} : *reinterpret_cast<const F*>(y + r * kPanel + v * kWidth);
    }
  }
  const int64_t whole = kBf16 ? inputs / 2 : inputs;
  for (int64_t k = 0; k < whole; ++k, weight += step) {
    const float* factor = x + (kBf16 ? 2 * k : k);
#pragma GCC unroll 6
    for (int p = 0; p < kPanels; ++p) {
      const char* panel = weight + p * panel_stride;
      if constexpr (kAhead > 0) {
#pragma GCC unroll 16
        for (int line = 0; line < kVectors * kWidth * 4; line += 64) __builtin_prefetch(panel + kAhead + line);
      }
      constexpr int kTogether = kVectors < 2 ? 1 : 2;  // vectors widened before the rows take them
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; v += kTogether) {
        F low[kTogether], high[kTogether];
#pragma GCC unroll 2
        for (int i = 0; i < kTogether; ++i) {
          const char* from = panel + (v + i) * kWidth * 4;
          if constexpr (kBf16) {
            const U bits = *reinterpret_cast<const U*>(from);
            low[i] = reinterpret_cast<F>(bits << 16);
            high[i] = reinterpret_cast<F>(bits & 0xffff0000u);
          } else {
            low[i] = *reinterpret_cast<const F*>(from);
          }
        }
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
          for (int i = 0; i < kTogether; ++i) sum[p * kRows + r][v + i] += low[i] * factor[r * x_stride];
          if constexpr (kBf16) {
#pragma GCC unroll 2
            for (int i = 0; i < kTogether; ++i) sum[p * kRows + r][v + i] += high[i] * factor[r * x_stride + 1];
          }
        }
      }
    }
  }
  if (kBf16 && inputs % 2 != 0) {  // the last weight has no partner
#pragma GCC unroll 6
    for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        const char* from = weight + p * panel_stride + v * kWidth * 4;
        const F even = reinterpret_cast<F>(*reinterpret_cast<const U*>(from) << 16);
#pragma GCC unroll 16
        for (int r = 0; r < kRows; ++r) sum[p * kRows + r][v] += even * x[r * x_stride + inputs - 1];
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
template <int kWidth, bool kBf16, int kRows, int kAhead>
[[gnu::always_inline]] inline void rows(const char* weight, int64_t inputs, const float* x, int64_t x_stride, float* y,
                                        bool first) {
  constexpr int kVectors = kWidth == 16 ? 4 : 8 / kRows;
  for (int64_t o = 0; o < kPanel; o += kVectors * kWidth) {
    tile<kWidth, kBf16, 1, kRows, kVectors, kAhead>(weight + o * 4, 0, inputs, x, x_stride, y + o, first);
  }
}

// The next 6, 4, 2 or 1 of the rows.  -> how many
template <int kWidth, bool kBf16, int kAhead>
[[gnu::always_inline]] inline int64_t some_rows(const char* weight, int64_t inputs, const PanelCall& call, int64_t r,
                                                int64_t k) {
  const float* x = call.x + r * call.x_stride + k;
  float* y = call.y + r * kPanel;
  const int64_t left = call.rows - r;
  if constexpr (kWidth == 16) {
    // 24 registers of sums, as for a single row's panels. 8 rows are 4 and 4, not 6 and 2.
    if (left >= 6 && left != 8) {
      rows<kWidth, kBf16, 6, kAhead>(weight, inputs, x, call.x_stride, y, k == 0);
      return 6;
    }
  }
  if (left >= 4) {
    rows<kWidth, kBf16, 4, kAhead>(weight, inputs, x, call.x_stride, y, k == 0);
    return 4;
  }
  if (left >= 2) {
    rows<kWidth, kBf16, 2, kAhead>(weight, inputs, x, call.x_stride, y, k == 0);
    return 2;
  }
  rows<kWidth, kBf16, 1, kAhead>(weight, inputs, x, call.x_stride, y, k == 0);
  return 1;
}

template <bool kBf16, int kPanels>
[[gnu::always_inline]] inline void streams(const PanelCall& call, int64_t stride) {
  tile<16, kBf16, kPanels, 1, 4, kAheadOfOne<16, kBf16>>(static_cast<const char*>(call.weight), stride, call.inputs,
                                                         call.x, call.x_stride, call.y, true);
}

// All panels for a single row: side by side where the registers hold so many sums.
template <int kWidth, bool kBf16>
[[gnu::always_inline]] inline void single_row(const PanelCall& call, int64_t stride) {
  if constexpr (kWidth == 16) {
    static_assert(kPanelsTogether == 6);
    switch (call.panels) {
      case 1: return streams<kBf16, 1>(call, stride);
      case 2: return streams<kBf16, 2>(call, stride);
      case 3: return streams<kBf16, 3>(call, stride);
      case 4: return streams<kBf16, 4>(call, stride);
      case 5: return streams<kBf16, 5>(call, stride);
      default: return streams<kBf16, 6>(call, stride);
    }
  } else {
    for (int64_t p = 0; p < call.panels; ++p) {
      rows<kWidth, kBf16, 1, kAheadOfOne<kWidth, kBf16>>(static_cast<const char*>(call.weight) + p * stride,
                                                         call.inputs, call.x, call.x_stride, call.y + p * kPanel, true);
    }
  }
}

template <int kWidth, bool kBf16>
[[gnu::always_inline]] inline void product(const PanelCall& call) {
  const int64_t stride = bytes_of(call.inputs, kBf16);
  if (call.rows == 1) return single_row<kWidth, kBf16>(call, stride);
  PanelCall one = call;
  for (int64_t p = 0; p < call.panels; ++p, one.y += call.rows * kPanel) {
    const char* weight = static_cast<const char*>(call.weight) + p * stride;
    for (int64_t k = 0; k < call.inputs; k += kInputsTogether<kWidth>) {
      const int64_t count = std::min(kInputsTogether<kWidth>, call.inputs - k);
      const char* at = weight + k * kPanel * (kBf16 ? 2 : 4);
      int64_t r = some_rows<kWidth, kBf16, kAheadOfMany<kWidth, kBf16>>(at, count, one, 0, k);
      while (r < call.rows) r += some_rows<kWidth, kBf16, 0>(at, count, one, r, k);
    }
  }
}

void plain_fp32(const PanelCall& call) { product<4, false>(call); }
void plain_bf16(const PanelCall& call) { product<4, true>(call); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_fp32(const PanelCall& call) { product<8, false>(call); }
TACIT_AVX2 void avx2_bf16(const PanelCall& call) { product<8, true>(call); }
TACIT_AVX512 void avx512_fp32(const PanelCall& call) { product<16, false>(call); }
TACIT_AVX512 void avx512_bf16(const PanelCall& call) { product<16, true>(call); }
#endif

}  // namespace

PanelProduct panel_product(Scalar scalar, CpuVectors vectors) {
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

int64_t panels_together(int64_t rows, int64_t left) {
  if (rows > 1) return std::min<int64_t>(left, 1);
  const int64_t calls = (left + kPanelsTogether - 1) / kPanelsTogether;
  return calls == 0 ? 0 : (left + calls - 1) / calls;  // 7 are 4 and 3, not 6 and 1
}

int64_t panel_bytes(int64_t inputs, Scalar scalar) { return bytes_of(inputs, scalar == Scalar::bf16); }

}  // namespace tacit
