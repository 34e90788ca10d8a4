#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace tacit {

// Where the state of an injected recurrence starts [Huginn, arXiv:2502.05171]: normal of `deviation`, cut
// at three deviations; 0 = zeros. The original draws it afresh at every call. Here it is a function of the position
// alone, so that neither the rows beside a row nor the pieces in which it is fed change its result.
// position [B, T] int64 -> [B, T, D]
at::Tensor initial_state(const at::Tensor& position_BT, int64_t hidden_size, double deviation, at::ScalarType dtype);

}  // namespace tacit
