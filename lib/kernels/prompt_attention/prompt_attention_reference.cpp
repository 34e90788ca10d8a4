#include "lib/kernels/prompt_attention/prompt_attention_reference.h"

#include <limits>

namespace tacit {

at::Tensor prompt_attention_reference(const at::Tensor& q_BHTE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                                      const at::Tensor& seen_BT, double scale) {
  const auto wide = q_BHTE.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto for_each_head = [&](const at::Tensor& x) {
    return x.to(wide).repeat_interleave(q_BHTE.size(1) / x.size(1), 1);
  };
  const at::Tensor column_S = at::arange(k_BGSE.size(2), seen_BT.options());
  const at::Tensor hidden_B1TS = (column_S >= seen_BT.unsqueeze(2)).unsqueeze(1);
  const at::Tensor scores_BHTS = at::matmul(q_BHTE.to(wide) * scale, for_each_head(k_BGSE).transpose(2, 3))
                                     .masked_fill(hidden_B1TS, -std::numeric_limits<double>::infinity());
  const at::Tensor share_BHTS = at::softmax(scores_BHTS, -1).masked_fill(hidden_B1TS, 0);
  return at::matmul(share_BHTS, for_each_head(v_BGSE)).transpose(1, 2).contiguous().to(q_BHTE.scalar_type());
}

}  // namespace tacit
