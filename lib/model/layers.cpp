#include "lib/model/layers.h"

#include <ATen/core/grad_mode.h>

#include "lib/kernels/rms_norm/rms_norm.h"
#include "lib/kernels/tensors.h"
#include "lib/model/deferred_gradient.h"

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

// Where the CPU has no instructions for bf16, LibTorch's product of many rows takes twice as long as that of operands
// widened to fp32, the widening included, and twenty times as long where the weight is a transposed view, as GPT-2's
// are (docs/log.md). Either sums in fp32 and rounds once.
static bool faster_widened(const at::Tensor& x, const at::Tensor& weight_OI) {
  constexpr int64_t kManyRows = 32;
#if defined(__x86_64__)
  static const bool has_instructions = __builtin_cpu_supports("avx512bf16");
  if (has_instructions) return false;
#endif
  if (!x.is_cpu() || x.scalar_type() != at::kBFloat16 || at::GradMode::is_enabled() || TwinsOnly::any()) return false;
  return !weight_OI.is_contiguous() || x.numel() >= kManyRows * x.size(-1);
}

at::Tensor LinearLayer::operator()(const at::Tensor& x) const {
  if (is_deferred(weight_OI)) return deferred_linear(x, weight_OI, bias_O);
  if (!faster_widened(x, weight_OI)) return at::linear(x, weight_OI, bias_O);
  const at::Tensor bias = bias_O.defined() ? bias_O.to(at::kFloat) : bias_O;
  return at::linear(x.to(at::kFloat), weight_OI.to(at::kFloat), bias).to(at::kBFloat16);
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
  // LibTorch's is fused; a kernel beside it gained at one row alone (docs/log.md).
  if (kind == NormKind::layer) return at::layer_norm(x, {x.size(-1)}, weight_D, bias_D, eps);
  if (weight_D.defined() && weight_D.scalar_type() == x.scalar_type() && takes_kernel(x)) {
    return rms_norm_by_kernel(*this, x);
  }
  // In fp32 whatever the model's dtype, as the reference does.
  const at::Tensor wide = x.to(at::kFloat);
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
