#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The definition that gemm() is tested against: a [M, K] b [K, N] + bias [N] + y [M, N], either perhaps undefined.
// Half precision is multiplied and summed in fp32 and rounded once; fp32 and fp64 stay what they are.
at::Tensor gemm_reference(const at::Tensor& a_MK, const at::Tensor& b_KN, const at::Tensor& bias_N = {},
                          const at::Tensor& y_MN = {});

}  // namespace tacit
