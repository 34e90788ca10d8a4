#pragma once

#include "lib/kernels/rwkv7_state/rwkv7_state.h"
#include "lib/kernels/rwkv7_state/rwkv7_state_tensors.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {

struct Rwkv7Shape {
  int64_t rows, columns, heads, size;
};
constexpr Rwkv7Shape kRwkv7Shapes[] = {{1, 1, 1, 64},  {2, 5, 3, 8}, {3, 9, 2, 7},  {1, 33, 2, 64},
                                       {2, 4, 1, 100}, {5, 1, 4, 1}, {2, 3, 2, 32}, {1, 2, 1, 128}};

// Columns as the model makes them: decays in (0, 1), removed keys of length 1 at rates in (0, 1). fp64.
inline Rwkv7Columns random_rwkv7_columns(GuardedInputs& make, const Rwkv7Shape& s) {
  const auto random = [&] { return make.normal({s.rows, s.columns, s.heads, s.size}); };
  const at::Tensor removed = random(), unit = removed / removed.norm(2, -1, /*keepdim=*/true);
  return {random(), random().sigmoid(), random(), random(), unit, unit * random().sigmoid()};
}

// Some columns of each row hold a token.
inline at::Tensor random_real(GuardedInputs& make, const Rwkv7Shape& s) {
  return make.normal({s.rows, s.columns}) < 0.7;
}

// One call on fresh random numbers against the twin in fp64.
inline void check_rwkv7_state(const KernelTolerance& entry, const Rwkv7Shape& s, bool ragged, int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(entry.dtype), offset);
  CAPTURE(make.seed());
  CAPTURE(s.size);
  CAPTURE(s.columns);
  CAPTURE(ragged);
  const Rwkv7Columns c = random_rwkv7_columns(make, s);
  const Guarded receptance = make.of(c.receptance_BTHE), decay = make.of(c.decay_BTHE), key = make.of(c.key_BTHE),
                value = make.of(c.value_BTHE), removed = make.of(c.removed_BTHE),
                rate_removed = make.of(c.rate_removed_BTHE),
                state = make.of(make.normal({s.rows, s.heads, s.size, s.size})),
                y = make.empty({s.rows, s.columns, s.heads, s.size});
  const at::Tensor real_BT = ragged ? random_real(make, s).to(entry.device) : at::Tensor();
  const auto wide = [](const Guarded& x) { return x.tensor().to(at::kDouble); };
  const Rwkv7Found want = rwkv7_state_reference(
      {wide(receptance), wide(decay), wide(key), wide(value), wide(removed), wide(rate_removed)}, wide(state), real_BT);
  const auto data = [](const Guarded& x) { return static_cast<float*>(x.data()); };
  rwkv7_state({.rows = s.rows,
               .columns = s.columns,
               .heads = s.heads,
               .size = s.size,
               .receptance_BTHE = data(receptance),
               .decay_BTHE = data(decay),
               .key_BTHE = data(key),
               .value_BTHE = data(value),
               .removed_BTHE = data(removed),
               .rate_removed_BTHE = data(rate_removed),
               .real_BT = ragged ? real_BT.const_data_ptr<bool>() : nullptr,
               .state_BHEE = data(state),
               .y_BTHE = data(y)},
              kernel_place(y.tensor(), "test"));
  CHECK(scaled_error(y.tensor(), want.y_BTHE) <= entry.most);
  CHECK(scaled_error(state.tensor(), want.state_BHEE) <= entry.most);
  for (const Guarded* array : {&receptance, &decay, &key, &value, &removed, &rate_removed, &state, &y}) {
    CHECK(array->intact());
  }
}

inline void check_rwkv7_state_everywhere(const KernelTolerance& entry) {
  for (const Rwkv7Shape& s : kRwkv7Shapes) {
    for (const bool ragged : {false, true}) check_rwkv7_state(entry, s, ragged);
  }
  check_rwkv7_state(entry, {2, 3, 2, 16}, true, /*offset=*/3);  // not aligned for vector loads
}

}  // namespace tacit::test
