#include "lib/kernels/gemm/gemm_reference.h"

namespace tacit {

at::Tensor gemm_reference(const at::Tensor& a_MK, const at::Tensor& b_KN, const at::Tensor& bias_N,
                          const at::Tensor& y_MN) {
  const auto wide = a_MK.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor sum_MN = at::mm(a_MK.to(wide), b_KN.to(wide));
  if (bias_N.defined()) sum_MN += bias_N.to(wide);
  if (y_MN.defined()) sum_MN += y_MN.to(wide);
  return sum_MN.to(a_MK.scalar_type());
}

}  // namespace tacit
