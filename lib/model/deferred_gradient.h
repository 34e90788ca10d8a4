#pragma once

#include <ATen/ATen.h>

namespace tacit {

// Weights that a loss uses in many passes. Autograd would form a gradient of the weight's full size in every pass and
// add them up: for a pass of a few positions that is all of its backward pass. A deferred weight collects what its
// passes contribute (the inputs and the outputs' gradients) and forms one product for many of them.
//
// The weight itself stays the leaf; what is used is a view of it.
at::Tensor defer_gradient(const at::Tensor& weight);
bool is_deferred(const at::Tensor& weight);

// x [.., I] W^T + b and rows of W, where W is deferred. On the CPU in fp32 few rows take lib/kernels/skinny_linear.
// First derivatives only, and of the whole graph at once.
at::Tensor deferred_linear(const at::Tensor& x, const at::Tensor& weight_OI, const at::Tensor& bias_O);
at::Tensor deferred_embedding(const at::Tensor& weight_VD, const at::Tensor& ids);

}  // namespace tacit
