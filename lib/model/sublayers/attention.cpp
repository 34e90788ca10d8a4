#include <cmath>

#include "lib/kernels/rotary/rotary_reference.h"
#include "lib/kernels/tensors.h"
#include "lib/model/of_columns.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// Grouped-query attention [GQA, arXiv:2305.13245]; the memory decides how far back a query sees.
class Attention : public Sublayer {
 public:
  Attention(const ModelConfig& c, const TakeWeight& take)
      : head_size_(c.head_size), interleaved_(c.rotary.interleaved) {
    query_ = take_linear(take, "query", c.heads * c.head_size, c.hidden_size, c.qkv_bias || c.query_key_bias);
    key_ = take_linear(take, "key", c.kv_heads * c.head_size, c.hidden_size, c.qkv_bias || c.query_key_bias);
    value_ = take_linear(take, "value", c.kv_heads * c.head_size, c.hidden_size, c.qkv_bias);
    out_ = take_linear(take, "out", c.hidden_size, c.heads * c.head_size, c.out_bias);
    if (c.smeared_keys) smear_G_ = take("smear", {c.kv_heads});
    if (c.head_norms) {
      query_norm_ = take_norm(take, "query_norm", NormKind::rms, c.head_size, c.norm_eps);
      key_norm_ = take_norm(take, "key_norm", NormKind::rms, c.head_size, c.norm_eps);
    }
  }

  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const override {
    const auto heads = [&](const at::Tensor& x) { return x.unflatten(2, {-1, head_size_}); };
    const auto wanted_of = [&](const at::Tensor& x, int64_t dim) { return of_columns(x, dim, pass.wanted); };
    at::Tensor q_BTHE = heads(query_(wanted_of(x_BTD, 1))), k_BTGE = heads(key_(x_BTD));
    if (query_norm_.weight_D.defined()) {
      q_BTHE = query_norm_(q_BTHE);
      k_BTGE = key_norm_(k_BTGE);
    }
    const at::Tensor q_BHTE = turned(q_BTHE, pass, wanted_of);
    const at::Tensor k_BGTE = turned(k_BTGE, pass, [](const at::Tensor& x, int64_t) { return x; });
    AttentionOptions options{.scale = 1 / std::sqrt(static_cast<double>(head_size_))};
    if (smear_G_.defined()) options.smear_G = smear_G_.sigmoid();
    const at::Tensor found_BHTE =
        pass.memory.attend(layer, q_BHTE, k_BGTE, heads(value_(x_BTD)).transpose(1, 2), options);
    return out_(found_BHTE.transpose(1, 2).flatten(2));
  }

 private:
  // By the token's position, where positions are rotary; x may be written over. `columns_of` takes x's columns, along a
  // dimension, from what stands for all of the segment's.  -> [B, H, T, E]
  template <typename ColumnsOf>
  at::Tensor turned(const at::Tensor& x_BTHE, const Pass& pass, const ColumnsOf& columns_of) const {
    const at::Tensor x_BHTE = x_BTHE.transpose(1, 2);
    if (!pass.cos_B1TE.defined() || pass.cos_B1TE.size(3) == 0) return x_BHTE;
    if (!pass.cos_PE.defined() || !takes_kernel(x_BTHE)) {
      return rotary_reference(x_BHTE, columns_of(pass.cos_B1TE, 2), columns_of(pass.sin_B1TE, 2), interleaved_);
    }
    rotary_in_place(x_BTHE, pass.cos_PE, pass.sin_PE, columns_of(pass.position_BT, 1), interleaved_);
    return x_BHTE;
  }

  int64_t head_size_;
  bool interleaved_;
  LinearLayer query_, key_, value_, out_;
  NormLayer query_norm_, key_norm_;  // head_norms only
  at::Tensor smear_G_;               // before the logistic function
};

}  // namespace

std::unique_ptr<Sublayer> make_attention(const ModelConfig& config, const TakeWeight& take) {
  return std::make_unique<Attention>(config, take);
}

}  // namespace tacit
