#include <algorithm>
#include <limits>
#include <type_traits>

#include "lib/kernels/argmax/argmax.h"
#include "lib/kernels/bf16.h"
#include "lib/kernels/require_arrays.h"
#include "lib/kernels/team.h"

namespace tacit {
namespace {

constexpr int64_t kTogether = 1024;  // numbers of which the largest is found before its place is looked for

template <int kWidth>
[[gnu::always_inline]] inline void keep_larger(const typename Vectors<kWidth>::F& some,
                                               typename Vectors<kWidth>::F& largest,
                                               typename Vectors<kWidth>::I& is_nan) {
  largest = some > largest ? some : largest;
  is_nan |= some != some;
}

// The largest of x[0 .. kTogether), or NaN where one is among them.
template <int kWidth, class T>
[[gnu::always_inline]] inline float largest_of_many(const T* x) {
  using F = typename Vectors<kWidth>::F;
  using U = typename Vectors<kWidth>::U;
  using I = typename Vectors<kWidth>::I;
  constexpr int kChains = 2;  // a comparison waits for the one before
  F largest[kChains];
  I is_nan[kChains] = {};
  for (F& chain : largest) chain = F{} - std::numeric_limits<float>::infinity();
  constexpr bool kHalves = std::is_same_v<T, Bf16>;
  constexpr int64_t kStep = (kHalves ? 2 : 1) * kWidth;
  for (int64_t i = 0; i < kTogether; i += kChains * kStep) {
#pragma GCC unroll 2
    for (int c = 0; c < kChains; ++c) {
      const U bits = *reinterpret_cast<const U*>(x + i + c * kStep);
      if constexpr (kHalves) {  // two numbers in one lane's bits; their order does not matter here
        keep_larger<kWidth>(reinterpret_cast<F>(bits << 16), largest[c], is_nan[c]);
        keep_larger<kWidth>(reinterpret_cast<F>(bits & 0xffff0000u), largest[c], is_nan[c]);
      } else {
        keep_larger<kWidth>(reinterpret_cast<F>(bits), largest[c], is_nan[c]);
      }
    }
  }
  float found = -std::numeric_limits<float>::infinity();
  int32_t any_nan = 0;
  for (int c = 0; c < kChains; ++c) {
    for (int j = 0; j < kWidth; ++j) found = std::max(found, largest[c][j]), any_nan |= is_nan[c][j];
  }
  return any_nan ? std::numeric_limits<float>::quiet_NaN() : found;
}

template <int kWidth, class T>
[[gnu::always_inline]] inline int64_t largest_of_row(const T* x, int64_t size) {
  const int64_t whole = size / kTogether * kTogether;
  float largest = -std::numeric_limits<float>::infinity();
  int64_t place = 0;  // of the numbers among which it is found first
  for (int64_t i = 0; i < whole; i += kTogether) {
    const float found = largest_of_many<kWidth>(x + i);
    if (found > largest || found != found) largest = found, place = i;
    if (found != found) break;
  }
  if (largest == largest) {
    for (int64_t i = whole; i < size; ++i) {
      const float found = widen(x[i]);
      if (found > largest || found != found) largest = found, place = i;
      if (found != found) break;
    }
  }
  const auto is_largest = [&](T number) {
    const float found = widen(number);
    return found == largest || (found != found && largest != largest);
  };
  return std::find_if(x + place, x + size, is_largest) - x;
}

template <int kWidth, class T>
[[gnu::always_inline]] inline void largest_of_rows(const ArgmaxArgs& a, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    const T* x = static_cast<const T*>(a.x_NV) + n * a.size;
    a.index_N[n] = largest_of_row<kWidth>(x, a.size);
    if (a.largest_N) a.largest_N[n] = widen(x[a.index_N[n]]);
  }
}
template <int kWidth>
[[gnu::always_inline]] inline void largest_of_any(const ArgmaxArgs& a, int64_t begin, int64_t end) {
  a.scalar == Scalar::fp32 ? largest_of_rows<kWidth, float>(a, begin, end)
                           : largest_of_rows<kWidth, Bf16>(a, begin, end);
}

void plain_rows(const ArgmaxArgs& args, int64_t begin, int64_t end) { largest_of_any<4>(args, begin, end); }
#if defined(__x86_64__)
TACIT_AVX2 void avx2_rows(const ArgmaxArgs& args, int64_t begin, int64_t end) { largest_of_any<8>(args, begin, end); }
TACIT_AVX512 void avx512_rows(const ArgmaxArgs& args, int64_t begin, int64_t end) {
  largest_of_any<16>(args, begin, end);
}
#endif

using RowsOf = void (*)(const ArgmaxArgs& args, int64_t begin, int64_t end);
RowsOf rows_for(CpuVectors vectors) {
#if defined(__x86_64__)
  if (vectors == CpuVectors::avx512) return avx512_rows;
  if (vectors == CpuVectors::avx2) return avx2_rows;
#endif
  return plain_rows;
}

constexpr int64_t kWorthAThread = 131072;  // numbers; below that, waking a thread costs more than the work

}  // namespace

void argmax(const ArgmaxArgs& a, CpuVectors vectors) {
  constexpr auto kName = "argmax";
  require(a.rows >= 0 && a.size >= 1, kName, "expected x_NV of at least 0 rows and size 1 but got [", a.rows, ", ",
          a.size, "]");
  if (a.rows == 0) return;
  require_arrays(kName, {{"x_NV", a.x_NV}, {"index_N", a.index_N}});
  parallel_parts(0, a.rows, std::max<int64_t>(1, kWorthAThread / a.size),
                 [&, run = rows_for(vectors)](int64_t begin, int64_t end) { run(a, begin, end); });
}

}  // namespace tacit
