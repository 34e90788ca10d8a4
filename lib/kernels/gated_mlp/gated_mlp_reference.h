#pragma once

#include <ATen/ATen.h>

#include "lib/kernels/gated_mlp/gated_mlp.h"

namespace tacit {

// The definition that every gated_mlp() is tested against, composed of tensor operations: any floating dtype and shape,
// differentiable. gate undefined = none.
at::Tensor gated_mlp_reference(const at::Tensor& gate, const at::Tensor& up, MlpActivation activation);

// The kernel, without gradients: contiguous tensors of one shape, fp32 or bf16; written over `up`, which is returned.
at::Tensor gated_mlp_in_place(const at::Tensor& gate, const at::Tensor& up, MlpActivation activation);

}  // namespace tacit
