#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The choices of expert_routing.h that do not vary from token to token.
struct ExpertChoice {
  int64_t chosen = 0;
  int64_t groups = 1, chosen_groups = 1;
  bool sigmoid = false;
  bool normalised = true;
  double scale = 1;
};

struct ExpertRouting {
  at::Tensor expert_NC;  // int64
  at::Tensor weight_NC;  // dtype of the logits
  at::Tensor token_M, place_NC;
  std::vector<int64_t> begin_X1;
};

// The definition that every expert_routing() is tested against, composed of tensor operations: any floating dtype,
// weights differentiable. Of equal scores it may take another than the kernel.
ExpertRouting expert_routing_reference(const at::Tensor& logits_NX, const at::Tensor& correction_X,
                                       const ExpertChoice& choice);
at::Tensor expert_sum_reference(const at::Tensor& found_MD, const ExpertRouting& routing);

// The same by the kernels on the CPU, without gradients: logits and correction fp32, found fp32 or bf16.
ExpertRouting expert_routing_by_kernel(const at::Tensor& logits_NX, const at::Tensor& correction_X,
                                       const ExpertChoice& choice);
at::Tensor expert_sum_by_kernel(const at::Tensor& found_MD, const ExpertRouting& routing);

}  // namespace tacit
