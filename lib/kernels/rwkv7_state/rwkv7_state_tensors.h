#pragma once

#include "lib/kernels/rwkv7_state/rwkv7_state_reference.h"

namespace tacit {

// The same as rwkv7_state_reference() of fp32 tensors on the CPU, by the kernel, forward and backward; any other
// tensors take the reference itself.
Rwkv7Found rwkv7_state_differentiable(const Rwkv7Columns& columns, const at::Tensor& state_BHEE,
                                      const at::Tensor& real_BT = {});

// Without gradients, the state rewritten in place: fp32, contiguous, on any device that has the kernel.  -> y
at::Tensor rwkv7_state_in_place(const Rwkv7Columns& columns, const at::Tensor& state_BHEE,
                                const at::Tensor& real_BT = {});

}  // namespace tacit
