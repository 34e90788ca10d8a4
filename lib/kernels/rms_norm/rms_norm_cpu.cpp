#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lib/kernels/cpu_lanes.h"
#include "lib/kernels/rms_norm/rms_norm.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

// The rounded sum, as the next layer will read it.
template <class T, class Count>
[[gnu::always_inline]] inline Lanes sum_at(const T* x, const T* residual, int64_t j, Count left) {
  const Lanes own = load_part(x + j, left);
  if (!residual) return own;
  T rounded[kLanes];
  store(rounded, own + load_part(residual + j, left));
  return load(rounded);
}

template <class T>
[[gnu::always_inline]] inline void norm_row(const T* x, const T* residual, const T* weight, T* stored, T* y,
                                            int64_t size, float eps) {
  Lanes squares = {};
  by_lanes(size, [&](int64_t j, auto left) TACIT_INLINE {
    const Lanes sum = sum_at(x, residual, j, left);
    squares += sum * sum;
    if (stored) store_part(stored + j, sum, left);
  });
  if (stored) {  // x or the residual may be gone by now: `stored` may be either
    x = stored;
    residual = nullptr;
  }
  const float factor = 1 / std::sqrt(total(squares) / static_cast<float>(size) + eps);
  by_lanes(size, [&](int64_t j, auto left) TACIT_INLINE {
    store_part(y + j, sum_at(x, residual, j, left) * factor * load_part(weight + j, left), left);
  });
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
  parallel_parts(0, args.rows, std::max<int64_t>(1, kWorthAThread / args.size), [&](int64_t begin, int64_t end) {
    (args.scalar == Scalar::fp32 ? norm_rows_fp32 : norm_rows_bf16)(args, begin, end);
  });
}

}  // namespace tacit
