#include "lib/kernels/gated_mlp/gated_mlp_reference.h"

#include "lib/core/error.h"
#include "lib/kernels/tensors.h"

namespace tacit {

static at::Tensor activated(const at::Tensor& x, MlpActivation activation) {
  switch (activation) {
    case MlpActivation::gelu: return at::gelu(x);
    case MlpActivation::gelu_tanh: return at::gelu(x, "tanh");
    case MlpActivation::silu: return at::silu(x);
    case MlpActivation::relu: return at::relu(x);
    case MlpActivation::relu_squared: return at::relu(x).square();
  }
  fail("gated_mlp", "expected a known activation but got ", static_cast<int>(activation));
}

at::Tensor gated_mlp_reference(const at::Tensor& gate, const at::Tensor& up, MlpActivation activation) {
  return gate.defined() ? activated(gate, activation) * up : activated(up, activation);
}

at::Tensor gated_mlp_in_place(const at::Tensor& gate, const at::Tensor& up, MlpActivation activation) {
  constexpr auto kName = "gated_mlp";
  require(up.is_contiguous() && (!gate.defined() || gate.is_contiguous()), kName, "expected contiguous tensors");
  require(!gate.defined() || (gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type()), kName,
          "expected a gate of ", up.numel(), " elements of ", c10::toString(up.scalar_type()), " but got ",
          gate.defined() ? gate.numel() : 0);
  gated_mlp({.count = up.numel(),
             .scalar = kernel_scalar(up, kName),
             .activation = activation,
             .gate_N = gate.defined() ? gate.const_data_ptr() : nullptr,
             .up_N = up.const_data_ptr(),
             .y_N = up.mutable_data_ptr()},
            kernel_place(up, kName));
  return up;
}

}  // namespace tacit
