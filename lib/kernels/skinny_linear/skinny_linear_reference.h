#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The tensor operations that lib/kernels/skinny_linear stands for.
at::Tensor skinny_linear_reference(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& bias_O);
at::Tensor skinny_linear_transposed_reference(const at::Tensor& x_NO, const at::Tensor& weight_OI);

}  // namespace tacit
