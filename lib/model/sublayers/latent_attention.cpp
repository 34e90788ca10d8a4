#include <cmath>

#include "lib/kernels/rotary/rotary_reference.h"
#include "lib/model/sublayer.h"

namespace tacit {
namespace {

// x [B, H, T, I] times each head's matrix [H, I, O] -> [B, H, T, O]. The batch is folded into the rows, so that the
// matrices are never copied.
at::Tensor by_head(const at::Tensor& x_BHTI, const at::Tensor& matrix_HIO) {
  const at::Tensor rows_HNI = x_BHTI.transpose(0, 1).flatten(1, 2);
  return at::bmm(rows_HNI, matrix_HIO).unflatten(1, {x_BHTI.size(0), x_BHTI.size(2)}).transpose(0, 1);
}

// Multi-head latent attention [DeepSeek-V2, arXiv:2405.04434, section 2.1]. With c the normed latent of a position and
// r its rotated shared key, head h's key is [K_h c ; r] and its value V_h c. Hence q . k = (K_h^T q_plain) . c + q_rot
// . r and the weighted sum of values is V_h times that of the latents: attention takes place among the c, which is all
// that is stored, and keys and values are never made.
class LatentAttention : public Sublayer {
 public:
  LatentAttention(const ModelConfig& c, const TakeWeight& take)
      : sizes_(c.latent_attention), heads_(c.heads), interleaved_(c.rotary.interleaved) {
    const int64_t key_size = sizes_.plain_size + sizes_.rotated_size;
    scale_ = c.attention_scale > 0 ? c.attention_scale : 1 / std::sqrt(static_cast<double>(key_size));
    const auto norm = [&](const std::string& name, int64_t size) {
      return take_norm(take, name, NormKind::rms, size, sizes_.norm_eps);
    };
    if (sizes_.query_rank > 0) {
      query_down_ = take_linear(take, "query_down", sizes_.query_rank, c.hidden_size, c.qkv_bias);
      query_norm_ = norm("query_norm", sizes_.query_rank);
      query_ = take_linear(take, "query_up", heads_ * key_size, sizes_.query_rank, false);
    } else {
      query_ = take_linear(take, "query", heads_ * key_size, c.hidden_size, false);
    }
    kv_down_ = take_linear(take, "kv_down", sizes_.kv_rank + sizes_.rotated_size, c.hidden_size, c.qkv_bias);
    kv_norm_ = norm("kv_norm", sizes_.kv_rank);
    kv_up_OI_ = take("kv_up.weight", {heads_ * (sizes_.plain_size + sizes_.value_size), sizes_.kv_rank});
    out_ = take_linear(take, "out", c.hidden_size, heads_ * sizes_.value_size, c.out_bias);
  }

  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const override {
    const auto turn = [&](const at::Tensor& x_BHTE) {
      return rotary_reference(x_BHTE, pass.cos_B1TE, pass.sin_B1TE, interleaved_);
    };
    // Rows of kv_up, head by head: those that make the key's plain part, then those that make the value.
    const at::Tensor up_HEI = kv_up_OI_.unflatten(0, {heads_, -1});
    const at::Tensor key_HEI = up_HEI.narrow(1, 0, sizes_.plain_size);
    const at::Tensor value_HEI = up_HEI.narrow(1, sizes_.plain_size, sizes_.value_size);

    const at::Tensor q_BHTE = queries(x_BTD).unflatten(2, {heads_, -1}).transpose(1, 2);
    const at::Tensor q_latent_BHTI = by_head(q_BHTE.narrow(3, 0, sizes_.plain_size), key_HEI);
    const at::Tensor q_rotated_BHTE = turn(q_BHTE.narrow(3, sizes_.plain_size, sizes_.rotated_size));

    const at::Tensor kv_B1TI = kv_down_(x_BTD).unsqueeze(1);
    const at::Tensor latent_B1TI = kv_norm_(kv_B1TI.narrow(3, 0, sizes_.kv_rank));
    const at::Tensor k_rotated_B1TE = turn(kv_B1TI.narrow(3, sizes_.kv_rank, sizes_.rotated_size));

    const at::Tensor found_BHTI = pass.memory.attend(layer, at::cat({q_latent_BHTI, q_rotated_BHTE}, 3),
                                                     at::cat({latent_B1TI, k_rotated_B1TE}, 3),
                                                     /*values lie in the keys*/ {}, {.scale = scale_});
    return out_(by_head(found_BHTI, value_HEI.transpose(1, 2)).transpose(1, 2).flatten(2));
  }

 private:
  at::Tensor queries(const at::Tensor& x_BTD) const {
    return sizes_.query_rank > 0 ? query_(query_norm_(query_down_(x_BTD))) : query_(x_BTD);
  }

  LatentAttentionConfig sizes_;
  int64_t heads_;
  bool interleaved_;
  double scale_;
  LinearLayer query_down_;  // with a query rank only
  NormLayer query_norm_;
  LinearLayer query_, kv_down_, out_;
  NormLayer kv_norm_;
  at::Tensor kv_up_OI_;  // I: the latent's size
};

}  // namespace

std::unique_ptr<Sublayer> make_latent_attention(const ModelConfig& config, const TakeWeight& take) {
  return std::make_unique<LatentAttention>(config, take);
}

}  // namespace tacit
