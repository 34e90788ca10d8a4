#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/bf16.h"
#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/gemm/gemm.h"
#include "lib/kernels/huge_pages.h"
#include "lib/kernels/team.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tacit {
#if defined(__x86_64__)
namespace {

// A tile of sums fills twelve of the sixteen registers; two hold a line of columns, one a row's number.
constexpr int64_t kTileRows = 6, kTileColumns = 16;
constexpr int64_t kChunkBytes = int64_t{4} << 20;   // of packed columns, which stay in the third cache
constexpr int64_t kSlabBytes = int64_t{192} << 10;  // of packed rows, which stay in the second
constexpr int64_t kLeastSlabRows = 4 * kTileRows, kMostSlabRows = 16 * kTileRows;
constexpr int64_t kPanelsATask = 4, kLeastPanels = 8;
constexpr int64_t kTasksEach = 8;                    // so that threads finish together
constexpr int64_t kWorthTheTeam = int64_t{1} << 20;  // multiply-adds; below, waking a thread costs more than the work

constexpr int64_t ceil_div(int64_t x, int64_t by) { return (x + by - 1) / by; }

// The rows of a or the columns of b: vectors over the depth.
template <class T>
struct DepthVectors {
  const T* data = nullptr;
  int64_t count = 0, depth = 0;
  int64_t stride = 0, depth_stride = 0;  // elements; one of them is 1
};

TACIT_AVX2 inline void load(const float* at, __m256& out) { out = _mm256_loadu_ps(at); }
TACIT_AVX2 inline void load(const Bf16* at, __m256& out) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  out = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// r[i][j] -> r[j][i]
TACIT_AVX2 inline void transpose(__m256 (&r)[8]) {
  __m256 pairs[8], fours[8];
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    pairs[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  constexpr int kLow = 0x44, kHigh = 0xee;
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; ++j) {
      fours[i + 2 * j] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], kLow);
      fours[i + 2 * j + 1] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], kHigh);
    }
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
  }
}

// One line of a panel: kWidth vectors at one depth.
template <int64_t kWidth, class T>
TACIT_AVX2 inline void copy_line(const T* from, float* to) {
  if constexpr (kWidth % 8 == 0) {
    for (int64_t i = 0; i < kWidth; i += 8) {
      __m256 some;
      load(from + i, some);
      _mm256_storeu_ps(to + i, some);
    }
  } else {
    for (int64_t i = 0; i < kWidth; ++i) to[i] = widen(from[i]);
  }
}

// Panels of vectors `first` .. `last` - 1, kWidth a panel: packed[panel][depth][kWidth], zero where there are no
// vectors. Up to 8 - kWidth numbers are written behind the end.
template <int64_t kWidth, class T>
TACIT_AVX2 void pack_panels(const DepthVectors<T>& v, int64_t first, int64_t last, float* packed) {
  const int64_t whole = v.depth_stride == 1 ? v.depth / 8 * 8 : 0;  // depths that are transposed, 8 x 8 at a time
  const int64_t panel_size = v.depth * kWidth, full = (std::min(last, v.count) - first) / kWidth;
  for (int64_t p = 0, vector = first; vector < last; ++p, vector += kWidth) {
    const int64_t count = std::min(kWidth, v.count - vector);
    const T* at = v.data + vector * v.stride;
    float* panel = packed + p * panel_size;
    for (int64_t k = 0; k < whole; k += 8) {
      for (int64_t i = 0; i < kWidth; i += 8) {
        __m256 r[8];
        for (int64_t j = 0; j < 8; ++j) {
          if (j < count - i) {
            load(at + (i + j) * v.stride + k, r[j]);
          } else {
            r[j] = _mm256_setzero_ps();
          }
        }
        transpose(r);
        for (int64_t j = 0; j < 8; ++j) _mm256_storeu_ps(panel + (k + j) * kWidth + i, r[j]);
      }
    }
    if (v.stride == 1 && p < full) continue;
    for (int64_t k = whole; k < v.depth; ++k) {
      for (int64_t i = 0; i < kWidth; ++i) {
        panel[k * kWidth + i] = i < count ? widen(at[i * v.stride + k * v.depth_stride]) : 0.f;
      }
    }
  }
  if (v.stride != 1) return;
  // Line by line through all panels, since a line of one is too short for the machine to see a stream.
  for (int64_t k = whole; k < v.depth; ++k) {
    const T* line = v.data + first + k * v.depth_stride;
    for (int64_t p = 0; p < full; ++p) copy_line<kWidth>(line + p * kWidth, packed + p * panel_size + k * kWidth);
  }
}

// sums[6][16] of a panel of rows and one of columns: each a chain of fused multiply-adds over the depth in order.
TACIT_AVX2 void multiply_panels(const float* rows, const float* columns, int64_t depth, float* sums) {
  __m256 sum[kTileRows][2];
#pragma GCC unroll 6
  for (int i = 0; i < kTileRows; ++i) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
#pragma GCC unroll 4
  for (int64_t k = 0; k < depth; ++k, rows += kTileRows, columns += kTileColumns) {
    const __m256 left = _mm256_loadu_ps(columns), right = _mm256_loadu_ps(columns + 8);
#pragma GCC unroll 6
    for (int i = 0; i < kTileRows; ++i) {
      const __m256 number = _mm256_broadcast_ss(rows + i);
      sum[i][0] = _mm256_fmadd_ps(number, left, sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(number, right, sum[i][1]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kTileRows; ++i) {
    _mm256_storeu_ps(sums + i * kTileColumns, sum[i][0]);
    _mm256_storeu_ps(sums + i * kTileColumns + 8, sum[i][1]);
  }
}

// Columns are packed chunk by chunk. Of a chunk threads take what is next: panels of columns to pack, then, once all
// are packed, slabs of rows, which each packs for itself and multiplies with the chunk.
template <class T>
class Product {
 public:
  explicit Product(const GemmArgs& args)
      : args_(args),
        rows_{static_cast<const T*>(args.a_MK.data), args.rows, args.depth, args.a_MK.row_stride,
              args.a_MK.column_stride},
        columns_{static_cast<const T*>(args.b_KN.data), args.columns, args.depth, args.b_KN.column_stride,
                 args.b_KN.row_stride} {
    const int64_t panel_bytes = args.depth * kTileColumns * 4, panels = ceil_div(args.columns, kTileColumns);
    chunk_panels_ = std::clamp<int64_t>(kChunkBytes / panel_bytes, 1, panels);
    thread_local std::unique_ptr<HugePages> pages;  // as much as the largest chunk that this thread has packed
    if (!pages || pages->bytes() < chunk_panels_ * panel_bytes) {
      pages = nullptr;
      pages = std::make_unique<HugePages>(chunk_panels_ * panel_bytes);
    }
    chunk_ = reinterpret_cast<float*>(pages->data());
  }

  // Every member of the team.
  void run(Team& team) {
    const int64_t panels = ceil_div(args_.columns, kTileColumns);
    const int64_t slab_rows = slab_rows_for(team.size());
    thread_local std::vector<float> slab;
    slab.resize(std::max<size_t>(slab.size(), slab_rows * args_.depth + 8));
    int64_t begin = 0, ticket = next_.fetch_add(1);
    const auto take = [&](int64_t tasks, const auto& task) {
      for (; ticket < begin + tasks; ticket = next_.fetch_add(1)) task(ticket - begin);
      begin += tasks;
      team.meet();
    };
    for (int64_t first = 0; first < panels; first += chunk_panels_) {
      const int64_t last = std::min(first + chunk_panels_, panels);
      take(ceil_div(last - first, kPanelsATask), [&](int64_t task) {
        const int64_t from = first + task * kPanelsATask;
        const int64_t to = std::min(from + kPanelsATask, last);
        pack_panels<kTileColumns>(columns_, from * kTileColumns, to * kTileColumns, packed_columns(from - first));
      });
      // Few slabs are shared by several tasks, each with some of the panels.
      const int64_t slabs = ceil_div(args_.rows, slab_rows), most = ceil_div(last - first, kLeastPanels);
      const int64_t parts = std::clamp<int64_t>(kTasksEach * team.size() / slabs, 1, most);
      take(slabs * parts, [&](int64_t task) {
        const int64_t row = task / parts * slab_rows, part = task % parts;
        const auto bound = [&](int64_t p) { return first + (last - first) * p / parts; };
        multiply_slab(row, std::min(row + slab_rows, args_.rows), first, bound(part), bound(part + 1), slab.data());
      });
    }
  }

 private:
  int64_t slab_rows_for(int64_t threads) const {
    const int64_t fit = std::clamp(kSlabBytes / (args_.depth * 4), kLeastSlabRows, kMostSlabRows);
    const int64_t fair = std::max(args_.rows / (kTasksEach * threads), kLeastSlabRows);
    return ceil_div(std::min(fit, fair), kTileRows) * kTileRows;
  }
  float* packed_columns(int64_t panel) const { return chunk_ + panel * args_.depth * kTileColumns; }

  // Rows `from` .. `to` - 1 with panels `begin` .. `end` - 1 of the chunk that starts with panel `first`.
  void multiply_slab(int64_t from, int64_t to, int64_t first, int64_t begin, int64_t end, float* slab) const {
    pack_panels<kTileRows>(rows_, from, to, slab);
    alignas(32) float sums[kTileRows * kTileColumns];
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t row = from; row < to; row += kTileRows) {
        multiply_panels(slab + (row - from) * args_.depth, packed_columns(p - first), args_.depth, sums);
        finish(row, std::min(kTileRows, to - row), p * kTileColumns, sums);
      }
    }
  }

  TACIT_AVX2 void finish(int64_t row, int64_t rows, int64_t column, const float* sums) const {
    const T* bias = args_.bias_N ? static_cast<const T*>(args_.bias_N) + column : nullptr;
    const int64_t columns = std::min(kTileColumns, args_.columns - column);
    for (int64_t i = 0; i < rows; ++i, sums += kTileColumns) {
      T* y = static_cast<T*>(args_.y_MN) + (row + i) * args_.columns + column;
      for (int64_t j = 0; j < columns; ++j) {
        float sum = sums[j];
        if (bias) sum += widen(bias[j]);
        if (args_.add) sum += widen(y[j]);
        y[j] = narrow<T>(sum);
      }
    }
  }

  const GemmArgs& args_;
  DepthVectors<T> rows_, columns_;
  int64_t chunk_panels_;
  float* chunk_;
  alignas(64) std::atomic<int64_t> next_ = 0;
};

template <class T>
void run(const GemmArgs& args) {
  Product<T> product(args);
  run_team(args.rows * args.columns * args.depth < kWorthTheTeam, [&](Team& team) { product.run(team); });
}

}  // namespace

void avx2_gemm_cpu(const GemmArgs& args) { args.type == Scalar::fp32 ? run<float>(args) : run<Bf16>(args); }
#else
void avx2_gemm_cpu(const GemmArgs&) { fail("gemm", "no AVX2"); }
#endif

}  // namespace tacit
