#include <algorithm>

#include "lib/kernels/cpu_lanes.h"
#include "lib/kernels/rotary/rotary.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

template <class T>
[[gnu::always_inline]] inline void turn_halves(const T* x, const float* cos, const float* sin, T* y, int64_t rotated) {
  const int64_t half = rotated / 2;
  by_lanes(half, [&](int64_t i, auto left) TACIT_INLINE {
    const int64_t j = i + half;
    const Lanes a = load_part(x + i, left), b = load_part(x + j, left);
    store_part(y + i, a * load_part(cos + i, left) - b * load_part(sin + i, left), left);
    store_part(y + j, b * load_part(cos + j, left) + a * load_part(sin + j, left), left);
  });
}

template <class T>
[[gnu::always_inline]] inline void turn_neighbours(const T* x, const float* cos, const float* sin, T* y,
                                                   int64_t rotated) {
  const Lanes sign = {-1, 1, -1, 1, -1, 1, -1, 1};
  by_lanes(rotated, [&](int64_t i, auto left) TACIT_INLINE {  // an even number, so no pair is divided
    const Lanes a = load_part(x + i, left), swapped = __builtin_shufflevector(a, a, 1, 0, 3, 2, 5, 4, 7, 6);
    store_part(y + i, a * load_part(cos + i, left) + swapped * sign * load_part(sin + i, left), left);
  });
}

template <class T>
[[gnu::always_inline]] inline void turn_tokens(const RotaryArgs& a, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    const float *cos = a.cos_PR + a.position_N[n] * a.rotated, *sin = a.sin_PR + a.position_N[n] * a.rotated;
    for (int64_t h = 0; h < a.heads; ++h) {
      const T* x = static_cast<const T*>(a.x_NHE) + n * a.x_stride + h * a.size;
      T* y = static_cast<T*>(a.y_NHE) + n * a.y_stride + h * a.size;
      if (a.interleaved) {
        turn_neighbours(x, cos, sin, y, a.rotated);
      } else {
        turn_halves(x, cos, sin, y, a.rotated);
      }
      if (x != y) std::copy(x + a.rotated, x + a.size, y + a.rotated);
    }
  }
}

TACIT_CPU_CLONES void turn_fp32(const RotaryArgs& a, int64_t begin, int64_t end) { turn_tokens<float>(a, begin, end); }
TACIT_CPU_CLONES void turn_bf16(const RotaryArgs& a, int64_t begin, int64_t end) { turn_tokens<Bf16>(a, begin, end); }

}  // namespace

void rotary_cpu(const RotaryArgs& a) {
  constexpr int64_t kWorthAThread = 32768;  // elements; below that, waking a thread costs more than the work
  const int64_t grain = std::max<int64_t>(1, kWorthAThread / (a.heads * a.size));
  parallel_parts(0, a.tokens, grain, [&](int64_t begin, int64_t end) {
    (a.scalar == Scalar::fp32 ? turn_fp32 : turn_bf16)(a, begin, end);
  });
}

}  // namespace tacit
