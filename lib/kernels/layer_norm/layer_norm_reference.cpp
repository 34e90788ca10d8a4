#include "lib/kernels/layer_norm/layer_norm_reference.h"

namespace tacit {

LayerNormed layer_norm_reference(const at::Tensor& x_ND, const at::Tensor& weight_D, const at::Tensor& bias_D,
                                 double eps, const at::Tensor& residual_ND) {
  const at::Tensor sum_ND = residual_ND.defined() ? x_ND + residual_ND : x_ND;
  const auto wide = sum_ND.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor wide_ND = sum_ND.to(wide), centred_ND = wide_ND - wide_ND.mean(-1, /*keepdim=*/true);
  const at::Tensor scale_N1 = at::rsqrt(centred_ND.square().mean(-1, /*keepdim=*/true) + eps);
  at::Tensor y_ND = centred_ND * scale_N1 * weight_D.to(wide);
  if (bias_D.defined()) y_ND = y_ND + bias_D.to(wide);
  return {y_ND.to(sum_ND.scalar_type()), sum_ND};
}

}  // namespace tacit
