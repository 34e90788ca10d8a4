#pragma once

#include <ATen/ATen.h>

namespace tacit {

// What every position hands over; the names are those of log_linear_state.h. real [B, T] bool, undefined = all true.
struct LogLinearColumns {
  at::Tensor query_BTHE, key_BTHE, value_BTHE, decay_BTH, weight_BTHL, position_BT, real_BT;
};

struct LogLinearFound {
  at::Tensor y_BTHE, state_BLHEE;
};

// The definition that every log_linear_state() is tested against, composed of tensor operations: any floating dtype,
// differentiable. Chunks of positions are run as a sum over pairs, the states carry what was before [section 3.3].
LogLinearFound log_linear_state_reference(const LogLinearColumns& columns, const at::Tensor& state_BLHEE);

// The kernel, without gradients, the state rewritten in place: fp32, contiguous.  -> y
at::Tensor log_linear_state_in_place(const LogLinearColumns& columns, const at::Tensor& state_BLHEE);

}  // namespace tacit
