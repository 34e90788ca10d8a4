#pragma once

#include <cmath>

#include "lib/kernels/log_linear_state/log_linear_state.h"
#include "lib/kernels/log_linear_state/log_linear_state_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {

struct LogLinearShape {
  int64_t rows, columns, heads, size, levels;
};
constexpr LogLinearShape kLogLinearShapes[] = {{1, 1, 1, 64, 7},  {2, 5, 3, 8, 9},   {3, 9, 2, 7, 8},
                                               {1, 70, 2, 64, 8}, {2, 4, 1, 100, 6}, {5, 1, 4, 1, 10},
                                               {2, 33, 2, 32, 7}, {1, 3, 1, 128, 5}};

// Which columns hold a token, and the position of each: rows stand at `first` of their own, 0 among them, and padding
// lies on the right.
struct Positions {
  at::Tensor position_BT, real_BT;
};
inline Positions random_positions(GuardedInputs& make, const LogLinearShape& s, bool ragged) {
  const int64_t most = int64_t{1} << (s.levels - 1);
  at::Tensor first_B1 =
      (make.normal({s.rows, 1}).abs() * static_cast<double>(most) / 3).to(at::kLong).clamp_max(most - s.columns);
  first_B1[0][0] = 0;
  const at::Tensor column_1T = at::arange(s.columns).unsqueeze(0);
  if (!ragged) return {first_B1 + column_1T, {}};
  const at::Tensor count_B1 =
      (make.normal({s.rows, 1}).abs() * static_cast<double>(s.columns) / 1.5).to(at::kLong).clamp_max(s.columns);
  return {first_B1 + at::minimum(column_1T, (count_B1 - 1).clamp_min(0)), column_1T < count_B1};
}

// A state as positions before `first` leave it: levels whose bit of the last position is not set are empty.
inline at::Tensor random_levels(GuardedInputs& make, const LogLinearShape& s, const at::Tensor& position_BT) {
  at::Tensor state = make.normal({s.rows, s.levels, s.heads, s.size, s.size});
  for (int64_t b = 0; b < s.rows; ++b) {
    const int64_t last = position_BT[b][0].item<int64_t>() - 1;
    for (int64_t l = 0; l < s.levels; ++l) {
      if (last < 0 || (l > 0 && !(last >> (l - 1) & 1))) state[b][l].zero_();
    }
  }
  return state;
}

// One call on fresh random numbers against the twin in fp64.
inline void check_log_linear_state(const KernelTolerance& entry, const LogLinearShape& s, bool ragged,
                                   int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(entry.dtype), offset);
  CAPTURE(make.seed());
  CAPTURE(s.size);
  CAPTURE(s.columns);
  CAPTURE(ragged);
  const auto random = [&](int64_t last) { return make.normal({s.rows, s.columns, s.heads, last}); };
  const Positions at = random_positions(make, s, ragged);
  const Guarded query = make.of(random(s.size)), key = make.of(random(s.size)), value = make.of(random(s.size)),
                decay = make.of(-at::softplus(random(1).squeeze(3))), weight = make.of(at::softplus(random(s.levels))),
                state = make.of(random_levels(make, s, at.position_BT)),
                y = make.empty({s.rows, s.columns, s.heads, s.size});
  const at::Tensor position_BT = at.position_BT.to(entry.device).contiguous();
  const at::Tensor real_BT = ragged ? at.real_BT.to(entry.device).contiguous() : at::Tensor();
  const auto wide = [](const Guarded& x) { return x.tensor().to(at::kDouble); };
  const LogLinearFound want = log_linear_state_reference(
      {wide(query), wide(key), wide(value), wide(decay), wide(weight), position_BT, real_BT}, wide(state));
  const auto data = [](const Guarded& x) { return static_cast<float*>(x.data()); };
  log_linear_state({.rows = s.rows,
                    .columns = s.columns,
                    .heads = s.heads,
                    .size = s.size,
                    .levels = s.levels,
                    .query_BTHE = data(query),
                    .key_BTHE = data(key),
                    .value_BTHE = data(value),
                    .decay_BTH = data(decay),
                    .weight_BTHL = data(weight),
                    .position_BT = position_BT.const_data_ptr<int64_t>(),
                    .real_BT = ragged ? real_BT.const_data_ptr<bool>() : nullptr,
                    .state_BLHEE = data(state),
                    .y_BTHE = data(y)},
                   kernel_place(y.tensor(), "test"));
  // A lone product of query and key may cancel: it is held to the size that it usually has.
  CHECK(scaled_error(y.tensor(), want.y_BTHE, std::sqrt(static_cast<double>(s.size))) <= entry.most);
  CHECK(scaled_error(state.tensor(), want.state_BLHEE) <= entry.most);
  for (const Guarded* array : {&query, &key, &value, &decay, &weight, &state, &y}) CHECK(array->intact());
}

inline void check_log_linear_state_everywhere(const KernelTolerance& entry) {
  for (const LogLinearShape& s : kLogLinearShapes) {
    for (const bool ragged : {false, true}) {
      for (int repeat = 0; repeat < 3; ++repeat) check_log_linear_state(entry, s, ragged);
    }
  }
  check_log_linear_state(entry, {2, 3, 2, 16, 7}, true, /*offset=*/3);  // not aligned for vector loads
}

}  // namespace tacit::test
