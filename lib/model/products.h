#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The products of linear layers, by what is fast at their sizes: lib/kernels/gemm for many rows, where this CPU has a
// fast path, else LibTorch. Nothing is recorded for gradients.

// x [.., I] W^T + b; b may be undefined.
at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O);

// x [N, O] W: the input's gradient from the output's.
at::Tensor transposed_product(const at::Tensor& x_NO, const at::Tensor& weight_OI);

// sum [O, I] += outputs^T inputs: the weight's gradient. An undefined sum becomes the product.
void add_outer_products(const at::Tensor& outputs_NO, const at::Tensor& inputs_NI, at::Tensor& sum_OI);

}  // namespace tacit
