#include <cmath>

#include "lib/core/error.h"
#include "lib/kernels/log_linear_state/log_linear_state_reference.h"
#include "lib/kernels/tensors.h"
#include "lib/model/state_layers.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// Log-linear attention [arXiv:2506.04761, section 3]: linear attention with a decay, over a hierarchy of states. Seen
// from position t, a position s <= t stands at level digits(t xor s): level 0 is t itself, and the positions before it
// fall into one level a set bit of t, level l holding 2^(l-1) of them, the largest farthest back (Fenwick's tree).
// Every level has a weight of its own at every position, so a query sees what is near apart from what is far:
//
//   o_t = sum_l lambda_t,l S_t,l q_t / sqrt(E),   S_t,l = sum_{s at level l of t} exp(sum_{u = s+1..t} a_u) v_s k_s^T
//
// What stands at level l of position p stands at level max(l, digits(t xor p)) of a later t, so levels are merged but
// never divided, and the states alone go on: state 0 of the layer's memory is S, [levels, H, E, E] a row, which is
// O(log max_positions).
class LogLinear : public Sublayer {
 public:
  LogLinear(const ModelConfig& c, const TakeWeight& take)
      : heads_(c.heads), head_size_(c.head_size), levels_(c.log_linear_levels) {
    const int64_t size = c.heads * c.head_size;
    query_ = take_linear(take, "query", size, c.hidden_size, false);
    key_ = take_linear(take, "key", size, c.hidden_size, false);
    value_ = take_linear(take, "value", size, c.hidden_size, false);
    decay_ = take_linear(take, "decay", c.heads, c.hidden_size, true);
    level_weight_ = take_linear(take, "levels", c.heads * levels_, c.hidden_size, true);
    out_norm_ = take_norm(take, "out_norm", NormKind::rms, c.head_size, c.norm_eps);
    out_ = take_linear(take, "out", c.hidden_size, size, false);
  }

  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const override {
    const at::ScalarType wide = state_dtype(x_BTD);
    const auto by_head = [&](const at::Tensor& x) { return x.to(wide).unflatten(2, {heads_, -1}); };
    const LogLinearColumns columns = {
        .query_BTHE = by_head(query_(x_BTD)) / std::sqrt(static_cast<double>(head_size_)),
        .key_BTHE = by_head(key_(x_BTD)),
        .value_BTHE = by_head(value_(x_BTD)),
        .decay_BTH = -at::softplus(by_head(decay_(x_BTD)).squeeze(3)),
        .weight_BTHL = at::softplus(by_head(level_weight_(x_BTD))),
        .position_BT = pass.position_BT,
        .real_BT = pass.memory.real_BT(),
    };
    const at::Tensor found_BTHE = run(columns, layer, pass.memory).to(x_BTD.scalar_type());
    return out_(out_norm_(found_BTHE).flatten(2));
  }

 private:
  // On a device the number would have to be waited for, in every layer; a session's capacity bounds it there too.
  void require_reached(const at::Tensor& position_BT) const {
    if (!position_BT.is_cpu()) return;
    const int64_t most = int64_t{1} << (levels_ - 1), last = position_BT.max().item<int64_t>();
    require(last < most, "log_linear", "expected positions below ", most, " (", levels_, " levels) but got ", last);
  }

  at::Tensor run(const LogLinearColumns& columns, int64_t layer, Memory& memory) const {
    if (takes_kernel(columns.key_BTHE)) return log_linear_state_in_place(columns, memory.state_in_place(layer, 0));
    require_reached(columns.position_BT);
    const at::Tensor before_BLHEE = memory.state(layer, 0).to(columns.key_BTHE.scalar_type());
    const LogLinearFound found = log_linear_state_reference(columns, before_BLHEE);
    memory.set_state(layer, 0, found.state_BLHEE);
    return found.y_BTHE;
  }

  int64_t heads_, head_size_, levels_;
  LinearLayer query_, key_, value_, decay_, level_weight_, out_;
  NormLayer out_norm_;  // of each head's output
};

}  // namespace

std::unique_ptr<Sublayer> make_log_linear(const ModelConfig& config, const TakeWeight& take) {
  return std::make_unique<LogLinear>(config, take);
}

}  // namespace tacit
