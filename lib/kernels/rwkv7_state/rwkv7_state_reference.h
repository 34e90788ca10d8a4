#pragma once

#include <ATen/ATen.h>

namespace tacit {

// What the recurrence reads at every position [B, T, H, E]; the names are those of rwkv7_state.h.
struct Rwkv7Columns {
  at::Tensor receptance_BTHE, decay_BTHE, key_BTHE, value_BTHE, removed_BTHE, rate_removed_BTHE;
};

struct Rwkv7Found {
  at::Tensor y_BTHE, state_BHEE;
};

// The definition that every rwkv7_state() is tested against, composed of tensor operations, a column at a time: any
// floating dtype, differentiable. real [B, T] bool, undefined = all true.
Rwkv7Found rwkv7_state_reference(const Rwkv7Columns& columns, const at::Tensor& state_BHEE,
                                 const at::Tensor& real_BT = {});

}  // namespace tacit
