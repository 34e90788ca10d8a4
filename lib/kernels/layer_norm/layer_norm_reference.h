#pragma once

#include <ATen/ATen.h>

namespace tacit {

struct LayerNormed {
  at::Tensor y_ND, sum_ND;
};

// The definition that every layer_norm() is tested against, composed of tensor operations: any floating dtype, any
// leading shape, differentiable. Half-precision inputs are normed in fp32, fp32 and fp64 in their own precision.
LayerNormed layer_norm_reference(const at::Tensor& x_ND, const at::Tensor& weight_D, const at::Tensor& bias_D,
                                 double eps, const at::Tensor& residual_ND = {});

}  // namespace tacit
