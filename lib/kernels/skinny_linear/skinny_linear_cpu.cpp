#include <algorithm>

#include "lib/kernels/cpu_clones.h"
#include "lib/kernels/skinny_linear/skinny_linear.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int kPartialSums = 16;  // an output, whatever the machine's registers hold
constexpr int kRows = 4;          // worked on together, so that a weight is loaded once for all of them

// Outputs [begin, end) of `Rows` rows.
template <int Rows>
[[gnu::always_inline]] inline void outputs_of(const SkinnyLinearArgs& args, const float* x, float* y, int64_t begin,
                                              int64_t end) {
  const int64_t I = args.inputs, whole = I / kPartialSums * kPartialSums;
  for (int64_t o = begin; o < end; ++o) {
    const float* weight = args.weight_OI + o * I;
    float sum[Rows][kPartialSums] = {};
    for (int64_t i = 0; i < whole; i += kPartialSums) {
      for (int r = 0; r < Rows; ++r) {
        for (int j = 0; j < kPartialSums; ++j) sum[r][j] += x[r * I + i + j] * weight[i + j];
      }
    }
    for (int r = 0; r < Rows; ++r) {
      float total = args.bias_O ? args.bias_O[o] : 0;
      for (int j = 0; j < kPartialSums; ++j) total += sum[r][j];
      for (int64_t i = whole; i < I; ++i) total += x[r * I + i] * weight[i];
      y[r * args.outputs + o] = total;
    }
  }
}

// Inputs' gradients [begin, end) of `Rows` rows. A strip of kStrip sums stays in the first cache while the weights'
// rows pass by; four of these at a time, so that a sum is loaded and stored once for four products.
constexpr int64_t kStrip = 512;
constexpr int kAtOnce = 4;

template <int Rows, int AtOnce>
[[gnu::always_inline]] inline void add_outputs(const SkinnyLinearArgs& args, const float* x, float* y, int64_t o,
                                               int64_t begin, int64_t count) {
  const int64_t I = args.inputs, O = args.outputs, whole = count / kPartialSums * kPartialSums;
  const float* weight = args.weight_OI + o * I + begin;
  float factor[Rows][AtOnce];
  for (int r = 0; r < Rows; ++r) {
    for (int k = 0; k < AtOnce; ++k) factor[r][k] = x[r * O + o + k];
  }
  for (int64_t i = 0; i < whole; i += kPartialSums) {
    for (int r = 0; r < Rows; ++r) {
      float* out = y + r * I + begin + i;
      float sum[kPartialSums];
      for (int j = 0; j < kPartialSums; ++j) sum[j] = out[j];
      for (int k = 0; k < AtOnce; ++k) {
        for (int j = 0; j < kPartialSums; ++j) sum[j] += factor[r][k] * weight[k * I + i + j];
      }
      for (int j = 0; j < kPartialSums; ++j) out[j] = sum[j];
    }
  }
  for (int64_t i = whole; i < count; ++i) {
    for (int r = 0; r < Rows; ++r) {
      for (int k = 0; k < AtOnce; ++k) y[r * I + begin + i] += factor[r][k] * weight[k * I + i];
    }
  }
}

template <int Rows>
[[gnu::always_inline]] inline void inputs_of(const SkinnyLinearArgs& args, const float* x, float* y, int64_t begin,
                                             int64_t end) {
  for (int64_t strip = begin; strip < end; strip += kStrip) {
    const int64_t count = std::min(kStrip, end - strip);
    for (int r = 0; r < Rows; ++r) std::fill_n(y + r * args.inputs + strip, count, 0.0f);
    int64_t o = 0;
    for (; o + kAtOnce <= args.outputs; o += kAtOnce) add_outputs<Rows, kAtOnce>(args, x, y, o, strip, count);
    for (; o < args.outputs; ++o) add_outputs<Rows, 1>(args, x, y, o, strip, count);
  }
}

TACIT_CPU_CLONES void run_outputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) {
  int64_t r = 0;
  const auto x = [&] { return args.x + r * args.inputs; };
  const auto y = [&] { return args.y + r * args.outputs; };
  for (; r + kRows <= args.rows; r += kRows) outputs_of<kRows>(args, x(), y(), begin, end);
  for (; r < args.rows; ++r) outputs_of<1>(args, x(), y(), begin, end);
}

TACIT_CPU_CLONES void run_inputs(const SkinnyLinearArgs& args, int64_t begin, int64_t end) {
  int64_t r = 0;
  const auto x = [&] { return args.x + r * args.outputs; };
  const auto y = [&] { return args.y + r * args.inputs; };
  for (; r + kRows <= args.rows; r += kRows) inputs_of<kRows>(args, x(), y(), begin, end);
  for (; r < args.rows; ++r) inputs_of<1>(args, x(), y(), begin, end);
}

constexpr int64_t kWeightsWorthAThread = 65536;

}  // namespace

void skinny_linear_cpu(const SkinnyLinearArgs& args) {
  parallel_parts(0, args.outputs, std::max<int64_t>(1, kWeightsWorthAThread / args.inputs),
                 [&](int64_t begin, int64_t end) { run_outputs(args, begin, end); });
}

void skinny_linear_transposed_cpu(const SkinnyLinearArgs& args) {
  // Whole groups of partial sums, so that an input's products are summed in the same order whoever takes it.
  const int64_t groups = (args.inputs + kPartialSums - 1) / kPartialSums;
  parallel_parts(0, groups, std::max<int64_t>(1, kWeightsWorthAThread / args.outputs / kPartialSums),
                 [&](int64_t begin, int64_t end) {
                   run_inputs(args, begin * kPartialSums, std::min(end * kPartialSums, args.inputs));
                 });
}

}  // namespace tacit
