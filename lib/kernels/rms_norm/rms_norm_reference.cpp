#include "lib/kernels/rms_norm/rms_norm_reference.h"

namespace tacit {

RmsNormed rms_norm_reference(const at::Tensor& x_ND, const at::Tensor& weight_D, double eps,
                             const at::Tensor& residual_ND) {
  const at::Tensor sum_ND = residual_ND.defined() ? x_ND + residual_ND : x_ND;
  const auto wide = sum_ND.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor wide_ND = sum_ND.to(wide);
  const at::Tensor scale_N1 = at::rsqrt(wide_ND.square().mean(-1, /*keepdim=*/true) + eps);
  return {(wide_ND * scale_N1 * weight_D.to(wide)).to(sum_ND.scalar_type()), sum_ND};
}

}  // namespace tacit
