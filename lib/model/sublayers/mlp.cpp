#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// down(act(up(x))), or gated, down(act(gate(x)) * up(x)) [GLU variants, arXiv:2002.05202].
class Mlp : public Sublayer {
 public:
  Mlp(const ModelConfig& c, const TakeWeight& take) : gated_(c.gated_mlp), activation_(c.activation) {
    if (gated_) gate_ = take_linear(take, "gate", c.mlp_size, c.hidden_size, c.mlp_bias);
    up_ = take_linear(take, "up", c.mlp_size, c.hidden_size, c.mlp_bias);
    down_ = take_linear(take, "down", c.hidden_size, c.mlp_size, c.mlp_bias);
  }

  at::Tensor operator()(const at::Tensor& x, int64_t, Pass&) const override {
    if (!gated_) return down_(activate(up_(x), activation_));
    return down_(activate(gate_(x), activation_) * up_(x));
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
