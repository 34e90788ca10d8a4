#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The definition that every packed_linear() is tested against: x [.., I], weight [O, I], bias [O] or undefined. Half
// precision is multiplied and summed in fp32 and rounded once, to x's dtype; fp32 and fp64 stay what they are.
at::Tensor packed_linear_reference(const at::Tensor& x_MI, const at::Tensor& weight_OI, const at::Tensor& bias_O = {});

}  // namespace tacit
