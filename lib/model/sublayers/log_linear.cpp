#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "lib/core/error.h"
#include "lib/model/state_layers.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// Positions that are run at once; longer segments go on from the state of the last. Bounds the matrix over pairs.
constexpr int64_t kChunk = 128;

// How many binary digits x has, 0 for 0. x int64 >= 0, below 2^53.
at::Tensor digits(const at::Tensor& x) { return std::get<1>(at::frexp(x.to(at::kDouble))).to(at::kLong); }

// Log-linear attention [arXiv:2506.04761, section 3]: linear attention with a decay, over a hierarchy of states. Seen
// from position t, a position s <= t stands at level digits(t xor s): level 0 is t itself, and the positions before it
// fall into one level a set bit of t, level l holding 2^(l-1) of them, the largest farthest back (Fenwick's tree).
// Every level has a weight of its own at every position, so a query sees what is near apart from what is far:
//
//   o_t = sum_l lambda_t,l S_t,l q_t / sqrt(E),   S_t,l = sum_{s at level l of t} exp(sum_{u = s+1..t} a_u) v_s k_s^T
//
// What stands at level l of position p stands at level max(l, digits(t xor p)) of a later t, so levels are merged but
// never divided, and the states alone go on: state 0 of the layer's memory is S, [levels, H, E, E] a row, which is
// O(log max_positions). Segments are run chunkwise [section 3.3]: the sum over pairs within, the states before.
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

  at::Tensor operator()(const at::Tensor& raw_x_BTD, int64_t layer, Pass& pass) const override {
    const int64_t width = raw_x_BTD.size(1);
    require_reached(pass.position_BT);
    // Padding has no key, no value and no decay.
    at::Tensor real_BT = pass.memory.real_BT(), x_BTD = raw_x_BTD;
    if (real_BT.defined()) {
      x_BTD = x_BTD.masked_fill(real_BT.logical_not().unsqueeze(2), 0);
    } else {
      real_BT = at::ones_like(pass.position_BT, at::kBool);
    }
    const at::ScalarType wide = state_dtype(x_BTD);
    const auto by_head = [&](const at::Tensor& x) { return x.to(wide).unflatten(2, {heads_, -1}).transpose(1, 2); };
    const Columns all = {
        .q_BHTE = by_head(query_(x_BTD)) / std::sqrt(static_cast<double>(head_size_)),
        .k_BHTE = by_head(key_(x_BTD)),
        .v_BHTE = by_head(value_(x_BTD)),
        .decay_BHT = -at::softplus(by_head(decay_(x_BTD)).squeeze(3)) * real_BT.unsqueeze(1),
        .weight_BHTL = at::softplus(by_head(level_weight_(x_BTD))),
        .position_BT = pass.position_BT,
        .count_BT = real_BT.to(at::kLong),
    };
    at::Tensor state_BLHEE = pass.memory.state(layer, 0).to(wide);
    std::vector<at::Tensor> out;
    for (int64_t begin = 0; begin < width; begin += kChunk) {
      out.push_back(run(all.part(begin, std::min(kChunk, width - begin)), state_BLHEE));
    }
    pass.memory.set_state(layer, 0, state_BLHEE);
    const at::Tensor found_BTHE = at::cat(out, 2).transpose(1, 2).to(x_BTD.scalar_type());
    return out_(out_norm_(found_BTHE).flatten(2));
  }

 private:
  struct Columns {
    at::Tensor q_BHTE, k_BHTE, v_BHTE, decay_BHT /* a */, weight_BHTL /* lambda */, position_BT, count_BT;

    Columns part(int64_t begin, int64_t width) const {
      const auto at = [&](const at::Tensor& x, int64_t dim) { return x.narrow(dim, begin, width); };
      return {at(q_BHTE, 2),      at(k_BHTE, 2),      at(v_BHTE, 2),  at(decay_BHT, 2),
              at(weight_BHTL, 2), at(position_BT, 1), at(count_BT, 1)};
    }
  };

  void require_reached(const at::Tensor& position_BT) const {
    const int64_t most = int64_t{1} << (levels_ - 1), last = position_BT.max().item<int64_t>();
    require(last < most, "log_linear", "expected positions below ", most, " (", levels_, " levels) but got ", last);
  }

  // What the chunk's queries find [B, H, T, E]; `state` goes on to the chunk's end.
  at::Tensor run(const Columns& c, at::Tensor& state_BLHEE) const {
    const at::ScalarType wide = c.q_BHTE.scalar_type();
    // Decays of many positions are differences of their sum's logarithm: in fp64, lest near ones lose their digits.
    const at::Tensor decayed_BHT = c.decay_BHT.to(at::kDouble).cumsum(2);
    const auto kept = [&](const at::Tensor& decay) { return decay.exp().to(wide); };
    // The position that the state stands at, of rows that have stored nothing any, and the one it goes on to.
    const at::Tensor before_B1 = c.position_BT.amin(1, /*keepdim=*/true) - 1;
    const at::Tensor from_B1 = before_B1.clamp_min(0);
    const at::Tensor to_B1 = (before_B1 + c.count_BT.sum(1, /*keepdim=*/true)).clamp_min(0);

    at::Tensor out_BHTE = within(c, decayed_BHT);
    // The states from before, each at the level that it has at the query.
    const at::Tensor level_L = at::arange(levels_, c.position_BT.options());
    const at::Tensor level_BTL = at::maximum(level_L, digits(c.position_BT.bitwise_xor(from_B1)).unsqueeze(2));
    const at::Tensor weight_BHTL =
        c.weight_BHTL.gather(3, level_BTL.unsqueeze(1).expand_as(c.weight_BHTL)) * kept(decayed_BHT).unsqueeze(3);
    const at::Tensor found_BLHET = at::matmul(state_BLHEE, c.q_BHTE.transpose(2, 3).unsqueeze(1));
    const at::Tensor weighed_BHET = (found_BLHET * weight_BHTL.permute({0, 3, 1, 2}).unsqueeze(3)).sum(1);
    out_BHTE = out_BHTE + weighed_BHET.transpose(2, 3);

    const at::Tensor all_BH1 = decayed_BHT.narrow(2, decayed_BHT.size(2) - 1, 1);
    const at::Tensor level_B1L = at::maximum(level_L, digits(to_B1.bitwise_xor(from_B1))).unsqueeze(1);
    const at::Tensor merging_BLL = (level_B1L == level_L.unsqueeze(1)).to(wide);  // to level, from level
    const at::Tensor moved_BLHEE = at::matmul(merging_BLL, state_BLHEE.flatten(2)).view_as(state_BLHEE) *
                                   kept(all_BH1).view({-1, 1, heads_, 1, 1});
    const at::Tensor own_BTL = (digits(c.position_BT.bitwise_xor(to_B1)).unsqueeze(2) == level_L).to(wide);
    const at::Tensor value_BHTE = c.v_BHTE * kept(all_BH1 - decayed_BHT).unsqueeze(3);
    const at::Tensor value_BLHET =
        value_BHTE.transpose(2, 3).unsqueeze(1) * own_BTL.transpose(1, 2).unsqueeze(2).unsqueeze(3);
    state_BLHEE = moved_BLHEE + at::matmul(value_BLHET, c.k_BHTE.unsqueeze(1));
    return out_BHTE;
  }

  // What the chunk's queries find in the chunk: the sum over pairs.
  at::Tensor within(const Columns& c, const at::Tensor& decayed_BHT) const {
    const int64_t width = c.q_BHTE.size(2);
    const at::Tensor later_TS = at::ones({width, width}, c.position_BT.options().dtype(at::kBool)).triu(1);
    const at::Tensor decay_BHTS = (decayed_BHT.unsqueeze(3) - decayed_BHT.unsqueeze(2))
                                      .masked_fill(later_TS, -std::numeric_limits<double>::infinity());
    const at::Tensor level_BTS = digits(c.position_BT.unsqueeze(2).bitwise_xor(c.position_BT.unsqueeze(1)));
    const at::Tensor weight_BHTS = c.weight_BHTL.gather(3, level_BTS.unsqueeze(1).expand({-1, heads_, -1, -1}));
    const at::Tensor score_BHTS = at::matmul(c.q_BHTE, c.k_BHTE.transpose(2, 3));
    return at::matmul(score_BHTS * weight_BHTS * decay_BHTS.exp().to(score_BHTS.scalar_type()), c.v_BHTE);
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
