#include "lib/kernels/skinny_linear/skinny_linear_reference.h"

namespace tacit {

at::Tensor skinny_linear_reference(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  return at::linear(x_NI, weight_OI, bias_O);
}

at::Tensor skinny_linear_transposed_reference(const at::Tensor& x_NO, const at::Tensor& weight_OI) {
  return at::matmul(x_NO, weight_OI);
}

}  // namespace tacit
