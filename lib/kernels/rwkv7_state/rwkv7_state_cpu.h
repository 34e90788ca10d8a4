#pragma once

#include "lib/kernels/cpu_lanes.h"
#include "lib/kernels/rwkv7_state/rwkv7_state.h"

namespace tacit::rwkv7 {

// What one column of one row and head reads.
struct Column {
  const float *receptance_E, *decay_E, *key_E, *value_E, *removed_E, *rate_removed_E;

  [[gnu::always_inline]] Column(const Rwkv7StateArgs& a, int64_t offset)
      : receptance_E(a.receptance_BTHE + offset),
        decay_E(a.decay_BTHE + offset),
        key_E(a.key_BTHE + offset),
        value_E(a.value_BTHE + offset),
        removed_E(a.removed_BTHE + offset),
        rate_removed_E(a.rate_removed_BTHE + offset) {}
};

[[gnu::always_inline]] inline int64_t column_offset(const Rwkv7StateArgs& a, int64_t b, int64_t t, int64_t h) {
  return ((b * a.columns + t) * a.heads + h) * a.size;
}

// Rows first .. first + kRows - 1 of the state, from `before` to `after` (which may be the same); a row of the state
// needs no other.
template <int kRows, bool kWhole>
[[gnu::always_inline]] inline void advance_rows(const float* before, float* after, const Column& x, int64_t first,
                                                int64_t size, float* y_E) {
  const int64_t origin = first * size;
  Lanes found[kRows] = {};
  for (int64_t j = 0; j < size; j += kLanes) {
    const Lanes removed = load<kWhole>(x.removed_E + j, size - j);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) found[r] += load<kWhole>(before + origin + r * size + j, size - j) * removed;
  }
  float stood[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) stood[r] = total(found[r]);
  Lanes out[kRows] = {};
  for (int64_t j = 0; j < size; j += kLanes) {
    const Lanes decay = load<kWhole>(x.decay_E + j, size - j), key = load<kWhole>(x.key_E + j, size - j);
    const Lanes rate_removed = load<kWhole>(x.rate_removed_E + j, size - j);
    const Lanes receptance = load<kWhole>(x.receptance_E + j, size - j);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = origin + r * size + j;
      const Lanes next =
          load<kWhole>(before + at, size - j) * decay - stood[r] * rate_removed + x.value_E[first + r] * key;
      store<kWhole>(after + at, next, size - j);
      out[r] += next * receptance;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) y_E[first + r] = total(out[r]);
}

template <bool kWhole>
[[gnu::always_inline]] inline void advance(const float* before, float* after, const Column& x, int64_t size,
                                           float* y_E) {
  constexpr int kRows = 4;  // independent sums, so that none waits for another
  int64_t i = 0;
  for (; i + kRows <= size; i += kRows) advance_rows<kRows, kWhole>(before, after, x, i, size, y_E);
  for (; i < size; ++i) advance_rows<1, kWhole>(before, after, x, i, size, y_E);
}

}  // namespace tacit::rwkv7
