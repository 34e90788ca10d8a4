#include "lib/kernels/gated_mlp/gated_mlp_reference.h"
#include "lib/kernels/tensors.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

MlpActivation kernel_activation(Activation activation) {
  switch (activation) {
    case Activation::gelu: return MlpActivation::gelu;
    case Activation::gelu_tanh: return MlpActivation::gelu_tanh;
    case Activation::silu: return MlpActivation::silu;
    case Activation::relu: return MlpActivation::relu;
    case Activation::relu_squared: return MlpActivation::relu_squared;
  }
  return {};
}

// down(act(up(x))), or gated, down(act(gate(x)) * up(x)) [GLU variants, arXiv:2002.05202].
class Mlp : public Sublayer {
 public:
  Mlp(const ModelConfig& c, const TakeWeight& take) : gated_(c.gated_mlp), activation_(c.activation) {
    if (gated_) gate_ = take_linear(take, "gate", c.mlp_size, c.hidden_size, c.mlp_bias);
    up_ = take_linear(take, "up", c.mlp_size, c.hidden_size, c.mlp_bias);
    down_ = take_linear(take, "down", c.hidden_size, c.mlp_size, c.mlp_bias);
  }

  at::Tensor operator()(const at::Tensor& x, int64_t, Pass&) const override {
    const at::Tensor gate = gated_ ? gate_(x) : at::Tensor(), up = up_(x);
    if (takes_kernel(up)) return down_(gated_mlp_in_place(gate, up, kernel_activation(activation_)));
    return down_(gated_ ? activate(gate, activation_) * up : activate(up, activation_));
  }

 private:
  bool gated_;
  Activation activation_;
  LinearLayer gate_, up_, down_;
};

}  // namespace

std::unique_ptr<Sublayer> make_mlp(const ModelConfig& config, const TakeWeight& take) {
  return std::make_unique<Mlp>(config, take);
}

}  // namespace tacit
