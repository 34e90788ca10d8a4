#include <cmath>
#include <numbers>

#include "lib/kernels/rwkv7_state/rwkv7_state_tensors.h"
#include "lib/kernels/tensors.h"
#include "lib/model/state_layers.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// A small matrix product in two steps, b(f(a(x))) [arXiv:2503.14456, eq. 2, "loramlp"].
struct LowRank {
  LinearLayer a, b;
};

LowRank take_low_rank(const TakeWeight& take, const std::string& name, int64_t size, int64_t rank, bool bias) {
  return {take_linear(take, name + "_lora_a", rank, size, false),
          take_linear(take, name + "_lora_b", size, rank, bias)};
}

// RWKV-7's time mix [arXiv:2503.14456, section 4; names here, the paper's behind]. Every head keeps a matrix of values
// by keys, which decays along its keys and in which what stood at a key gives way to the new value:
//
//   S_t = S_{t-1} (diag(w_t) - k^_t (a_t . k^_t)^T) + v_t k_t^T
//   y_t = S_t r_t
//
// Its inputs are mixtures of a position's x and the one before. Of the layer's memory, state 0 is the last x, state 1
// S.
class Rwkv7TimeMix : public Sublayer {
 public:
  Rwkv7TimeMix(const ModelConfig& c, int64_t number, const TakeWeight& within)
      : heads_(c.heads), head_size_(c.head_size), head_norm_eps_(c.rwkv7.head_norm_eps) {
    const TakeWeight take = [&](const std::string& name, const std::vector<int64_t>& shape) {
      return within("time_mix." + name, shape);
    };
    const int64_t D = c.hidden_size;
    receptance_shift_D_ = take("receptance_shift", {D});  // x_r
    decay_shift_D_ = take("decay_shift", {D});            // x_w
    key_shift_D_ = take("key_shift", {D});                // x_k
    value_shift_D_ = take("value_shift", {D});            // x_v
    rate_shift_D_ = take("rate_shift", {D});              // x_a
    gate_shift_D_ = take("gate_shift", {D});              // x_g
    receptance_ = take_linear(take, "receptance", D, D, false);
    key_ = take_linear(take, "key", D, D, false);
    value_ = take_linear(take, "value", D, D, false);
    decay_ = take_low_rank(take, "decay", D, c.rwkv7.decay_rank, true);
    rate_ = take_low_rank(take, "rate", D, c.rwkv7.rate_rank, true);
    if (!is_first_rwkv7(c, number)) value_mix_ = take_low_rank(take, "value_mix", D, c.rwkv7.value_rank, true);
    gate_ = take_low_rank(take, "gate", D, c.rwkv7.gate_rank, false);
    removal_D_ = take("removal", {D});                  // k_k
    replacement_D_ = take("replacement", {D});          // k_a
    bonus_HE_ = take("bonus", {c.heads, c.head_size});  // r_k
    head_norm_weight_D_ = take("head_norm.weight", {D});
    head_norm_bias_D_ = take("head_norm.bias", {D});
    out_ = take_linear(take, "out", D, D, false);
  }

  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const override {
    const at::ScalarType wide = state_dtype(x_BTD);
    const at::Tensor change_BTD = shift_tokens(x_BTD, pass.memory, layer, 0) - x_BTD;
    const auto mixed = [&](const at::Tensor& share_D) { return x_BTD + change_BTD * share_D; };
    const auto heads = [&](const at::Tensor& x) { return x.to(wide).unflatten(-1, {heads_, head_size_}); };
    const at::Tensor key_BTD = key_(mixed(key_shift_D_)), value_x_BTD = mixed(value_shift_D_);
    Rwkv7Columns c;
    c.receptance_BTHE = heads(receptance_(mixed(receptance_shift_D_)));
    c.value_BTHE = heads(own_value(value_x_BTD, pass));
    const at::Tensor decay_BTHE = heads(decay_.b(at::tanh(decay_.a(mixed(decay_shift_D_)))));
    c.decay_BTHE = at::exp(-at::sigmoid(decay_BTHE) / std::sqrt(std::numbers::e));         // w
    const at::Tensor rate_BTHE = heads(rate_.b(rate_.a(mixed(rate_shift_D_)))).sigmoid();  // a
    const at::Tensor removal_BTHE = heads(key_BTD * removal_D_);
    c.removed_BTHE = removal_BTHE / removal_BTHE.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12);  // k^
    c.rate_removed_BTHE = rate_BTHE * c.removed_BTHE;
    c.key_BTHE = heads(key_BTD) * (1 + (rate_BTHE - 1) * heads(replacement_D_));
    const at::Tensor y_BTHE = run(c, layer, pass);

    const at::Tensor normed_BTD = at::layer_norm(y_BTHE, {head_size_}, {}, {}, head_norm_eps_).flatten(2);
    const at::Tensor bonus_BTHE = (c.receptance_BTHE * c.key_BTHE * bonus_HE_).sum(-1, /*keepdim=*/true) * c.value_BTHE;
    const at::Tensor found_BTD = normed_BTD * head_norm_weight_D_ + head_norm_bias_D_ + bonus_BTHE.flatten(2);
    const at::Tensor gate_BTD = gate_.b(at::sigmoid(gate_.a(mixed(gate_shift_D_))));
    return out_(found_BTD.to(x_BTD.scalar_type()) * gate_BTD);
  }

 private:
  // The layer's values; those of the first such layer are mixed into every later one's, in each recurrence anew.
  at::Tensor own_value(const at::Tensor& x_BTD, Pass& pass) const {
    const at::Tensor value_BTD = value_(x_BTD);
    if (!value_mix_.a.weight_OI.defined()) return pass.first_value_BTD = value_BTD;
    return value_BTD + (pass.first_value_BTD - value_BTD) * value_mix_.b(value_mix_.a(x_BTD)).sigmoid();
  }

  at::Tensor run(const Rwkv7Columns& c, int64_t layer, Pass& pass) const {
    const at::Tensor real_BT = pass.memory.real_BT();
    if (takes_kernel(c.key_BTHE)) return rwkv7_state_in_place(c, pass.memory.state_in_place(layer, 1), real_BT);
    const at::Tensor before_BHEE = pass.memory.state(layer, 1).to(c.key_BTHE.scalar_type());
    const Rwkv7Found found = rwkv7_state_differentiable(c, before_BHEE, real_BT);
    pass.memory.set_state(layer, 1, found.state_BHEE);
    return found.y_BTHE;
  }

  int64_t heads_, head_size_;
  double head_norm_eps_;
  at::Tensor receptance_shift_D_, decay_shift_D_, key_shift_D_, value_shift_D_, rate_shift_D_, gate_shift_D_;
  LinearLayer receptance_, key_, value_, out_;
  LowRank decay_, rate_, value_mix_, gate_;  // value_mix: but for the first
  at::Tensor removal_D_, replacement_D_, bonus_HE_, head_norm_weight_D_, head_norm_bias_D_;
};

}  // namespace

std::unique_ptr<Sublayer> make_rwkv7_time_mix(const ModelConfig& config, int64_t layer, const TakeWeight& take) {
  return std::make_unique<Rwkv7TimeMix>(config, layer, take);
}

}  // namespace tacit
