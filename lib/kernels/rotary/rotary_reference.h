#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The definition that every rotary() is tested against, composed of tensor operations: any floating dtype,
// differentiable. x [B, H, T, E]; turns the first cos.size(-1) dimensions of E. cos and sin [B, 1, T, R] hold one angle
// a dimension, in the order of the pairs: halves (i, i + R/2), or neighbours (2i, 2i + 1) where interleaved.
at::Tensor rotary_reference(const at::Tensor& x_BHTE, const at::Tensor& cos_B1TR, const at::Tensor& sin_B1TR,
                            bool interleaved);

// The kernel, without gradients, in place: x [B, T, H, E] contiguous, fp32 or bf16; tables fp32 [P, R], position int64
// [B, T].
void rotary_in_place(const at::Tensor& x_BTHE, const at::Tensor& cos_PR, const at::Tensor& sin_PR,
                     const at::Tensor& position_BT, bool interleaved);

}  // namespace tacit
