#include "lib/model/state_layers.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// RWKV-7's feed-forward part [arXiv:2503.14456, section 4]: down(relu(up(x'))^2), where x' is a mixture of a position's
// x and the one before. Stands beside a time mix, whose memory has states 0 and 1; state 2 is the last x.
class Rwkv7ChannelMix : public Sublayer {
 public:
  Rwkv7ChannelMix(const ModelConfig& c, const TakeWeight& take) : activation_(c.activation) {
    shift_D_ = take("channel_mix.shift", {c.hidden_size});
    up_ = take_linear(take, "channel_mix.up", c.mlp_size, c.hidden_size, false);
    down_ = take_linear(take, "channel_mix.down", c.hidden_size, c.mlp_size, false);
  }

  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const override {
    const at::Tensor change_BTD = shift_tokens(x_BTD, pass.memory, layer, 2) - x_BTD;
    return down_(activate(up_(x_BTD + change_BTD * shift_D_), activation_));
  }

 private:
  Activation activation_;
  at::Tensor shift_D_;
  LinearLayer up_, down_;
};

}  // namespace

std::unique_ptr<Sublayer> make_rwkv7_channel_mix(const ModelConfig& config, const TakeWeight& take) {
  return std::make_unique<Rwkv7ChannelMix>(config, take);
}

}  // namespace tacit
