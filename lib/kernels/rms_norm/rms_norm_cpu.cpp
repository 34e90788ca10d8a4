#include <ATen/Parallel.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "lib/kernels/cpu_clones.h"
#include "lib/kernels/rms_norm/rms_norm.h"

namespace tacit {
namespace {

using Bf16 = uint16_t;  // the bits; fp32's upper half

// Elements worked on together. Partial sums are kept per lane, so that the order of additions does not depend on the
// width of the machine's registers.
constexpr int kLanes = 16;

[[gnu::always_inline]] inline float widen(float value) { return value; }
[[gnu::always_inline]] inline float widen(Bf16 bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

template <class T>
[[gnu::always_inline]] inline T narrow(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {  // to nearest, ties to even
    const auto bits = std::bit_cast<uint32_t>(value);
    const auto rounded = static_cast<Bf16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    return value == value ? rounded : Bf16{0x7fc0};
  }
}

// `count` sums from `x` on, rounded to T; the loops over a constant kLanes become vector code.
template <class T>
[[gnu::always_inline]] inline void add(const T* x, const T* residual, int count, float* sum) {
  if (residual) {
    for (int j = 0; j < count; ++j) sum[j] = widen(narrow<T>(widen(x[j]) + widen(residual[j])));
  } else {
    for (int j = 0; j < count; ++j) sum[j] = widen(x[j]);
  }
}

template <class T>
[[gnu::always_inline]] inline void accumulate(const float* sum, int count, float* squares, T* stored) {
  for (int j = 0; j < count; ++j) squares[j] += sum[j] * sum[j];
  if (stored) {
    for (int j = 0; j < count; ++j) stored[j] = narrow<T>(sum[j]);
  }
}

template <class T>
[[gnu::always_inline]] inline void scale(const float* sum, float factor, const T* weight, int count, T* y) {
  for (int j = 0; j < count; ++j) y[j] = narrow<T>(sum[j] * factor * widen(weight[j]));
}

template <class T>
[[gnu::always_inline]] inline void norm_row(const T* x, const T* residual, const T* weight, T* stored, T* y,
                                            int64_t size, float eps) {
  const int64_t whole = size / kLanes * kLanes;
  const int rest = static_cast<int>(size - whole);
  float sum[kLanes], squares[kLanes] = {};
  for (int64_t i = 0; i < whole; i += kLanes) {
    add(x + i, residual ? residual + i : nullptr, kLanes, sum);
    accumulate(sum, kLanes, squares, stored ? stored + i : nullptr);
  }
  add(x + whole, residual ? residual + whole : nullptr, rest, sum);
  accumulate(sum, rest, squares, stored ? stored + whole : nullptr);

  float total = 0;
  for (float square : squares) total += square;
  const float factor = 1 / std::sqrt(total / static_cast<float>(size) + eps);

  if (stored) {  // x or the residual may be gone by now: `stored` may be either
    x = stored;
    residual = nullptr;
  }
  for (int64_t i = 0; i < whole; i += kLanes) {
    add(x + i, residual ? residual + i : nullptr, kLanes, sum);
    scale(sum, factor, weight + i, kLanes, y + i);
  }
  add(x + whole, residual ? residual + whole : nullptr, rest, sum);
  scale(sum, factor, weight + whole, rest, y + whole);
}

template <class T>
[[gnu::always_inline]] inline void norm_rows(const RmsNormArgs& args, int64_t begin, int64_t end) {
  const auto row = [&](auto* base, int64_t n) { return base ? base + n * args.size : nullptr; };
  for (int64_t n = begin; n < end; ++n) {
    norm_row(row(static_cast<const T*>(args.x_ND), n), row(static_cast<const T*>(args.residual_ND), n),
             static_cast<const T*>(args.weight_D), row(static_cast<T*>(args.sum_ND), n),
             row(static_cast<T*>(args.y_ND), n), args.size, args.eps);
  }
}

TACIT_CPU_CLONES void norm_rows_fp32(const RmsNormArgs& args, int64_t begin, int64_t end) {
  norm_rows<float>(args, begin, end);
}
TACIT_CPU_CLONES void norm_rows_bf16(const RmsNormArgs& args, int64_t begin, int64_t end) {
  norm_rows<Bf16>(args, begin, end);
}

}  // namespace

void rms_norm_cpu(const RmsNormArgs& args) {
  constexpr int64_t kWorthAThread = 32768;  // elements; below that, waking a thread costs more than the work
  at::parallel_for(0, args.rows, std::max<int64_t>(1, kWorthAThread / args.size), [&](int64_t begin, int64_t end) {
    (args.scalar == Scalar::fp32 ? norm_rows_fp32 : norm_rows_bf16)(args, begin, end);
  });
}

}  // namespace tacit
