#include "lib/kernels/log_linear_state/log_linear_state_reference.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <vector>

namespace tacit {
namespace {

// Positions that are run at once; longer segments go on from the state of the last. Bounds the matrix over pairs.
constexpr int64_t kChunk = 128;

// How many binary digits x has, 0 for 0. x int64 >= 0, below 2^53.
at::Tensor digits(const at::Tensor& x) { return std::get<1>(at::frexp(x.to(at::kDouble))).to(at::kLong); }

struct Chunk {
  at::Tensor q_BHTE, k_BHTE, v_BHTE, decay_BHT /* a */, weight_BHTL /* lambda */, position_BT, count_BT;

  Chunk part(int64_t begin, int64_t width) const {
    const auto at = [&](const at::Tensor& x, int64_t dim) { return x.narrow(dim, begin, width); };
    return {at(q_BHTE, 2),      at(k_BHTE, 2),      at(v_BHTE, 2),  at(decay_BHT, 2),
            at(weight_BHTL, 2), at(position_BT, 1), at(count_BT, 1)};
  }
};

// What the chunk's queries find in the chunk: the sum over pairs.
at::Tensor within(const Chunk& c, const at::Tensor& decayed_BHT) {
  const int64_t width = c.q_BHTE.size(2), heads = c.q_BHTE.size(1);
  const at::Tensor later_TS = at::ones({width, width}, c.position_BT.options().dtype(at::kBool)).triu(1);
  const at::Tensor decay_BHTS = (decayed_BHT.unsqueeze(3) - decayed_BHT.unsqueeze(2))
                                    .masked_fill(later_TS, -std::numeric_limits<double>::infinity());
  const at::Tensor level_BTS = digits(c.position_BT.unsqueeze(2).bitwise_xor(c.position_BT.unsqueeze(1)));
  const at::Tensor weight_BHTS = c.weight_BHTL.gather(3, level_BTS.unsqueeze(1).expand({-1, heads, -1, -1}));
  const at::Tensor score_BHTS = at::matmul(c.q_BHTE, c.k_BHTE.transpose(2, 3));
  return at::matmul(score_BHTS * weight_BHTS * decay_BHTS.exp().to(score_BHTS.scalar_type()), c.v_BHTE);
}

// What the chunk's queries find [B, H, T, E]; `state` goes on to the chunk's end.
at::Tensor run(const Chunk& c, at::Tensor& state_BLHEE) {
  const at::ScalarType wide = c.q_BHTE.scalar_type();
  const int64_t heads = c.q_BHTE.size(1), levels = c.weight_BHTL.size(3);
  // Decays of many positions are differences of their sum's logarithm: in fp64, lest near ones lose their digits.
  const at::Tensor decayed_BHT = c.decay_BHT.to(at::kDouble).cumsum(2);
  const auto kept = [&](const at::Tensor& decay) { return decay.exp().to(wide); };
  // The position that the state stands at, of rows that have stored nothing any, and the one it goes on to.
  const at::Tensor before_B1 = c.position_BT.amin(1, /*keepdim=*/true) - 1;
  const at::Tensor from_B1 = before_B1.clamp_min(0);
  const at::Tensor to_B1 = (before_B1 + c.count_BT.sum(1, /*keepdim=*/true)).clamp_min(0);

  at::Tensor out_BHTE = within(c, decayed_BHT);
  // The states from before, each at the level that it has at the query.
  const at::Tensor level_L = at::arange(levels, c.position_BT.options());
  const at::Tensor level_BTL = at::maximum(level_L, digits(c.position_BT.bitwise_xor(from_B1)).unsqueeze(2));
  const at::Tensor weight_BHTL =
      c.weight_BHTL.gather(3, level_BTL.unsqueeze(1).expand_as(c.weight_BHTL)) * kept(decayed_BHT).unsqueeze(3);
  const at::Tensor found_BLHET = at::matmul(state_BLHEE, c.q_BHTE.transpose(2, 3).unsqueeze(1));
  const at::Tensor weighed_BHET = (found_BLHET * weight_BHTL.permute({0, 3, 1, 2}).unsqueeze(3)).sum(1);
  out_BHTE = out_BHTE + weighed_BHET.transpose(2, 3);

  const at::Tensor all_BH1 = decayed_BHT.narrow(2, decayed_BHT.size(2) - 1, 1);
  const at::Tensor level_B1L = at::maximum(level_L, digits(to_B1.bitwise_xor(from_B1))).unsqueeze(1);
  const at::Tensor merging_BLL = (level_B1L == level_L.unsqueeze(1)).to(wide);  // to level, from level
  const at::Tensor moved_BLHEE =
      at::matmul(merging_BLL, state_BLHEE.flatten(2)).view_as(state_BLHEE) * kept(all_BH1).view({-1, 1, heads, 1, 1});
  const at::Tensor own_BTL = (digits(c.position_BT.bitwise_xor(to_B1)).unsqueeze(2) == level_L).to(wide);
  const at::Tensor value_BHTE = c.v_BHTE * kept(all_BH1 - decayed_BHT).unsqueeze(3);
  const at::Tensor value_BLHET =
      value_BHTE.transpose(2, 3).unsqueeze(1) * own_BTL.transpose(1, 2).unsqueeze(2).unsqueeze(3);
  state_BLHEE = moved_BLHEE + at::matmul(value_BLHET, c.k_BHTE.unsqueeze(1));
  return out_BHTE;
}

}  // namespace

LogLinearFound log_linear_state_reference(const LogLinearColumns& c, const at::Tensor& first_BLHEE) {
  const int64_t width = c.query_BTHE.size(1);
  const bool ragged = c.real_BT.defined();
  // Padding has no query, no key, no value and no decay.
  const auto masked = [&](const at::Tensor& x) {
    if (!ragged) return x;
    std::vector<int64_t> shape(x.dim(), 1);
    std::copy_n(c.real_BT.sizes().begin(), 2, shape.begin());
    return at::where(c.real_BT.view(shape), x, at::zeros({}, x.options()));
  };
  const auto by_head = [&](const at::Tensor& x) { return masked(x).transpose(1, 2); };
  const Chunk all = {
      .q_BHTE = by_head(c.query_BTHE),
      .k_BHTE = by_head(c.key_BTHE),
      .v_BHTE = by_head(c.value_BTHE),
      .decay_BHT = by_head(c.decay_BTH),
      .weight_BHTL = by_head(c.weight_BTHL),
      .position_BT = c.position_BT,
      .count_BT = ragged ? c.real_BT.to(at::kLong) : at::ones_like(c.position_BT),
  };
  at::Tensor state_BLHEE = first_BLHEE;
  std::vector<at::Tensor> out;
  for (int64_t begin = 0; begin < width; begin += kChunk) {
    out.push_back(run(all.part(begin, std::min(kChunk, width - begin)), state_BLHEE));
  }
  return {at::cat(out, 2).transpose(1, 2), state_BLHEE};
}

}  // namespace tacit
