#include "lib/model/layers.h"

#include <ATen/core/grad_mode.h>

#include "lib/core/error.h"
#include "lib/kernels/rms_norm/rms_norm.h"
#include "lib/kernels/tensors.h"
#include "lib/model/deferred_gradient.h"
#include "lib/model/products.h"

namespace tacit {

LinearLayer take_linear(const TakeWeight& take, const std::string& name, int64_t outputs, int64_t inputs, bool bias) {
  LinearLayer layer{take(name + ".weight", {outputs, inputs}), {}};
  if (bias) layer.bias_O = take(name + ".bias", {outputs});
  return layer;
}

NormLayer take_norm(const TakeWeight& take, const std::string& name, NormKind kind, int64_t size, double eps) {
  NormLayer layer{kind, eps, take(name + ".weight", {size}), {}};
  if (kind == NormKind::layer) layer.bias_D = take(name + ".bias", {size});
  return layer;
}

at::Tensor LinearLayer::operator()(const at::Tensor& x) const {
  if (is_deferred(weight_OI)) return deferred_linear(x, weight_OI, bias_O);
  if (at::GradMode::is_enabled() || TwinsOnly::any()) return at::linear(x, weight_OI, bias_O);
  return linear_product(x, weight_OI, bias_O);
}

static at::Tensor rms_norm_by_kernel(const NormLayer& norm, const at::Tensor& strided_x) {
  const at::Tensor x = strided_x.contiguous(), y = at::empty_like(x), weight_D = norm.weight_D.contiguous();
  rms_norm({.rows = x.numel() / x.size(-1),
            .size = x.size(-1),
            .scalar = kernel_scalar(x, "norm"),
            .x_ND = x.const_data_ptr(),
            .weight_D = weight_D.const_data_ptr(),
            .eps = static_cast<float>(norm.eps),
            .y_ND = y.mutable_data_ptr()},
           kernel_place(x, "norm"));
  return y;
}

at::Tensor NormLayer::operator()(const at::Tensor& x) const {
  if (kind == NormKind::none) return x;
  if (weight_D.defined() && x.size(-1) != weight_D.size(0))  // the words are made for an error alone
    fail("norm", "expected vectors of ", weight_D.size(0), " numbers but got ", shape_text(x.sizes()));
  // LibTorch's is fused; a kernel beside it gained at one row alone (docs/log.md).
  if (kind == NormKind::layer) return at::layer_norm(x, {x.size(-1)}, weight_D, bias_D, eps);
  if (weight_D.defined() && weight_D.scalar_type() == x.scalar_type() && takes_kernel(x)) {
    return rms_norm_by_kernel(*this, x);
  }
  // Half precision in fp32, as the reference does.
  const at::Tensor wide = x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  const at::Tensor scale = at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
  const at::Tensor normed = (wide * scale).to(x.scalar_type());
  return weight_D.defined() ? normed * weight_D : normed;
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::gelu: return at::gelu(x);
    case Activation::gelu_tanh: return at::gelu(x, "tanh");
    case Activation::silu: return at::silu(x);
    case Activation::relu: return at::relu(x);
    case Activation::relu_squared: return at::relu(x).square();
  }
  return x;
}

}  // namespace tacit
