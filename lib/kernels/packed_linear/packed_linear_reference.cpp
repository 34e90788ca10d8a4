#include "lib/kernels/packed_linear/packed_linear_reference.h"

namespace tacit {

at::Tensor packed_linear_reference(const at::Tensor& x_MI, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  const auto wide = x_MI.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor y_MO =
      at::linear(x_MI.to(wide), weight_OI.to(wide), bias_O.defined() ? bias_O.to(wide) : at::Tensor());
  return y_MO.to(x_MI.scalar_type());
}

}  // namespace tacit
