#pragma once

#include <ATen/ATen.h>

namespace tacit {

struct RmsNormed {
  at::Tensor y_ND, sum_ND;
};

// The definition that every rms_norm() is tested against, composed of tensor operations: any floating dtype, any
// leading shape, differentiable. Half-precision inputs are normed in fp32, fp32 and fp64 in their own precision.
RmsNormed rms_norm_reference(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps,
                             const at::Tensor& residual_ND = {});

}  // namespace tacit
