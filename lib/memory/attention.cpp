#include "lib/memory/attention.h"

#include <limits>

namespace tacit {

at::Tensor smear(const at::Tensor& k_BGTE, const at::Tensor& left_BGTE, const at::Tensor& smear_G) {
  return at::lerp(k_BGTE, left_BGTE, smear_G.to(k_BGTE.scalar_type()).view({1, -1, 1, 1}));
}

at::Tensor left_neighbours(const at::Tensor& k_BGTE, const at::Tensor& before_BG1E) {
  return at::cat({before_BG1E, k_BGTE.narrow(2, 0, k_BGTE.size(2) - 1)}, 2);
}

at::Tensor attention(const at::Tensor& q_BHTE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                     const at::Tensor& mask_B1TS, double scale) {
  const bool grouped = q_BHTE.size(1) != k_BGSE.size(1);
  return at::scaled_dot_product_attention(q_BHTE, k_BGSE, v_BGSE, mask_B1TS, /*dropout_p=*/0.0, /*is_causal=*/false,
                                          scale, grouped);
}

at::Tensor attention_for_training(const at::Tensor& q_BHTE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                                  const at::Tensor& mask_B1TS, double scale) {
  constexpr int64_t most_scores = int64_t{1} << 24;
  const int64_t rows = q_BHTE.size(0), heads = q_BHTE.size(1), kv_heads = k_BGSE.size(1);
  if (rows * heads * q_BHTE.size(2) * k_BGSE.size(2) > most_scores)
    return attention(q_BHTE, k_BGSE, v_BGSE, mask_B1TS, scale);
  const auto for_each_head = [&](const at::Tensor& x) {
    return heads == kv_heads ? x : x.repeat_interleave(heads / kv_heads, 1);
  };
  at::Tensor scores_BHTS = at::matmul(q_BHTE * scale, for_each_head(k_BGSE).transpose(2, 3));
  scores_BHTS = scores_BHTS.masked_fill(mask_B1TS.logical_not(), -std::numeric_limits<double>::infinity());
  return at::matmul(at::softmax(scores_BHTS, -1), for_each_head(v_BGSE));
}

}  // namespace tacit
