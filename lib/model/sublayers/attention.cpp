#include <cmath>

#include "lib/model/rotary.h"
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
    const auto heads = [&](const at::Tensor& x) { return x.unflatten(2, {-1, head_size_}).transpose(1, 2); };
    const auto wanted_of = [&](const at::Tensor& x, int64_t dim) {
      return pass.wanted_N.defined() ? x.index_select(dim, pass.wanted_N) : x;
    };
    at::Tensor q = heads(query_(wanted_of(x_BTD, 1))), k = heads(key_(x_BTD));
    if (query_norm_.weight_D.defined()) {
      q = query_norm_(q);
      k = key_norm_(k);
    }
    if (pass.cos_B1TE.defined()) {
      q = rotate(q, wanted_of(pass.cos_B1TE, 2), wanted_of(pass.sin_B1TE, 2), interleaved_);
      k = rotate(k, pass.cos_B1TE, pass.sin_B1TE, interleaved_);
    }
    AttentionOptions options{.scale = 1 / std::sqrt(static_cast<double>(head_size_))};
    if (smear_G_.defined()) options.smear_G = smear_G_.sigmoid();
    const at::Tensor found_BHTE = pass.memory.attend(layer, q, k, heads(value_(x_BTD)), options);
    return out_(found_BHTE.transpose(1, 2).flatten(2));
  }

 private:
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
