#include <algorithm>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/skinny_linear/skinny_linear.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int kPartialSums = 16;            // an output, whatever the machine's registers hold
constexpr int kRows = 4;                    // worked on together, so that a weight is loaded once for all of them
constexpr int kAhead = 1024;                // bytes that are fetched ahead of an output's weights
constexpr int64_t kWeightsTogether = 8192;  // that stay in a near cache for all rows

// One output of `Rows` rows.
template <int kWidth, int Rows>
[[gnu::always_inline]] inline void output_of(const SkinnyLinearArgs& args, const float* x, float* y, int64_t o) {
  using F = typename Vectors<kWidth>::F;
  constexpr int kVectors = kPartialSums / kWidth;
  const int64_t I = args.inputs, whole = I / kPartialSums * kPartialSums;
  const float* weight = args.weight_OI + o * I;
  F sum[Rows][kVectors] = {};
  for (int64_t i = 0; i < whole; i += kPartialSums) {
    __builtin_prefetch(reinterpret_cast<const char*>(weight + i) + kAhead);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const F some = *reinterpret_cast<const F*>(weight + i + v * kWidth);
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r) sum[r][v] += *reinterpret_cast<const F*>(x + r * I + i + v * kWidth) * some;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < Rows; ++r) {
    float total = args.bias_O ? args.bias_O[o] : 0;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 16
      for (int j = 0; j < kWidth; ++j) total += sum[r][v][j];
    }
    for (int64_t i = whole; i < I; ++i) total += x[r * I + i] * weight[i];
    y[r * args.outputs + o] = total;
  }
}

// Outputs [begin, end) of all rows.
template <int kWidth>
[[gnu::always_inline]] inline void outputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) {
  const int64_t together = std::max<int64_t>(1, kWeightsTogether / args.inputs);
  for (int64_t from = begin; from < end; from += together) {
    const int64_t to = std::min(from + together, end);
    int64_t r = 0;
    const auto x = [&] { return args.x + r * args.inputs; };
    const auto y = [&] { return args.y + r * args.outputs; };
    for (; r + kRows <= args.rows; r += kRows)
      for (int64_t o = from; o < to; ++o) output_of<kWidth, kRows>(args, x(), y(), o);
    for (; r < args.rows; ++r)
      for (int64_t o = from; o < to; ++o) output_of<kWidth, 1>(args, x(), y(), o);
  }
}

// Inputs' gradients. A strip of kStrip sums stays in the first cache while the weights' rows pass by; eight of these at
// a time, so that a sum is loaded and stored once for eight products, and the next eight fetched: a strip of a row is
// too short for the machine to see a stream.
constexpr int64_t kStrip = 512;
constexpr int kAtOnce = 8;

template <int kWidth, int Rows, int AtOnce>
[[gnu::always_inline]] inline void add_outputs(const SkinnyLinearArgs& args, const float* x, float* y, int64_t o,
                                               int64_t begin, int64_t count, bool fetch) {
  using F = typename Vectors<kWidth>::F;
  constexpr int kVectors = kPartialSums / kWidth;
  const int64_t I = args.inputs, O = args.outputs, whole = count / kPartialSums * kPartialSums;
  const float* weight = args.weight_OI + o * I + begin;
  float factor[AtOnce][Rows];
  for (int r = 0; r < Rows; ++r) {
    for (int k = 0; k < AtOnce; ++k) factor[k][r] = x[r * O + o + k];
  }
  float* out = y + begin;
  for (int64_t i = 0; i < whole; i += kPartialSums) {
    F sum[Rows][kVectors];
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = *reinterpret_cast<const F*>(out + r * I + i + v * kWidth);
    }
#pragma GCC unroll 8
    for (int k = 0; k < AtOnce; ++k) {
      if (fetch) __builtin_prefetch(weight + (k + AtOnce) * I + i);
      F some[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) some[v] = *reinterpret_cast<const F*>(weight + k * I + i + v * kWidth);
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] += some[v] * factor[k][r];
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) *reinterpret_cast<F*>(out + r * I + i + v * kWidth) = sum[r][v];
    }
  }
  for (int64_t i = whole; i < count; ++i) {
    for (int r = 0; r < Rows; ++r) {
      for (int k = 0; k < AtOnce; ++k) out[r * I + i] += factor[k][r] * weight[k * I + i];
    }
  }
}

template <int kWidth, int AtOnce>
[[gnu::always_inline]] inline void add_to_rows(const SkinnyLinearArgs& args, int64_t o, int64_t begin, int64_t count) {
  int64_t r = 0;
  const auto x = [&] { return args.x + r * args.outputs; };
  const auto y = [&] { return args.y + r * args.inputs; };
  for (; r + kRows <= args.rows; r += kRows)
    add_outputs<kWidth, kRows, AtOnce>(args, x(), y(), o, begin, count, r == 0);
  for (; r < args.rows; ++r) add_outputs<kWidth, 1, AtOnce>(args, x(), y(), o, begin, count, r == 0);
}

// Inputs' gradients [begin, end) of all rows.
template <int kWidth>
[[gnu::always_inline]] inline void inputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) {
  for (int64_t strip = begin; strip < end; strip += kStrip) {
    const int64_t count = std::min(kStrip, end - strip);
    for (int64_t r = 0; r < args.rows; ++r) std::fill_n(args.y + r * args.inputs + strip, count, 0.0f);
    int64_t o = 0;
    for (; o + kAtOnce <= args.outputs; o += kAtOnce) add_to_rows<kWidth, kAtOnce>(args, o, strip, count);
    for (; o < args.outputs; ++o) add_to_rows<kWidth, 1>(args, o, strip, count);
  }
}

using Run = void (*)(const SkinnyLinearArgs& args, int64_t begin, int64_t end);
void plain_outputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) { outputs<4>(args, begin, end); }
void plain_inputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) { inputs<4>(args, begin, end); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_outputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) { outputs<8>(args, begin, end); }
TACIT_AVX2 void avx2_inputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) { inputs<8>(args, begin, end); }
TACIT_AVX512 void avx512_outputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) {
  outputs<16>(args, begin, end);
}
TACIT_AVX512 void avx512_inputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) {
  inputs<16>(args, begin, end);
}
#endif

struct Runs {
  Run outputs, inputs;
};
Runs for_this_cpu() {
#if defined(__x86_64__)
  if (cpu_vectors() == CpuVectors::avx512) return {avx512_outputs, avx512_inputs};
  if (cpu_vectors() == CpuVectors::avx2) return {avx2_outputs, avx2_inputs};
#endif
  return {plain_outputs, plain_inputs};
}

constexpr int64_t kWeightsWorthAThread = 65536;

}  // namespace

void skinny_linear_cpu(const SkinnyLinearArgs& args) {
  parallel_parts(0, args.outputs, std::max<int64_t>(1, kWeightsWorthAThread / args.inputs),
                 [&, run = for_this_cpu().outputs](int64_t begin, int64_t end) { run(args, begin, end); });
}

void skinny_linear_transposed_cpu(const SkinnyLinearArgs& args) {
  // Whole groups of partial sums, so that an input's products are summed in the same order whoever takes it.
  const int64_t groups = (args.inputs + kPartialSums - 1) / kPartialSums;
  parallel_parts(0, groups, std::max<int64_t>(1, kWeightsWorthAThread / args.outputs / kPartialSums),
                 [&, run = for_this_cpu().inputs](int64_t begin, int64_t end) {
                   run(args, begin * kPartialSums, std::min(end * kPartialSums, args.inputs));
                 });
}

}  // namespace tacit
