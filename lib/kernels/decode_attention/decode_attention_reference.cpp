#include "lib/kernels/decode_attention/decode_attention_reference.h"

#include <limits>

namespace tacit {

at::Tensor decode_attention_reference(const DecodeAttentionTensors& args) {
  const auto wide = args.q_BHE.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t rows = args.q_BHE.size(0), heads = args.q_BHE.size(1), columns = args.k_BGCE.size(2);
  const auto for_each_head = [&](const at::Tensor& x_BGCE) {
    return x_BGCE.to(wide).repeat_interleave(heads / x_BGCE.size(1), 1).expand({rows, -1, -1, -1});
  };
  const at::Tensor v_BGCE = args.v_BGCE.defined() ? args.v_BGCE : args.k_BGCE.narrow(3, 0, args.value_size);
  at::Tensor seen_BC = at::arange(columns, args.stored_B.options()).unsqueeze(0) < args.stored_B.unsqueeze(1);
  if (args.seen_BC.defined()) seen_BC = seen_BC & args.seen_BC;
  // What nobody sees may hold anything.
  const at::Tensor hidden_B11C = seen_BC.logical_not().view({rows, 1, 1, columns});
  const at::Tensor k_BHCE = for_each_head(args.k_BGCE).masked_fill(hidden_B11C.transpose(2, 3), 0);
  const at::Tensor v_BHCE = for_each_head(v_BGCE).masked_fill(hidden_B11C.transpose(2, 3), 0);
  at::Tensor scores_BH1C = at::matmul(args.q_BHE.to(wide).unsqueeze(2) * args.scale, k_BHCE.transpose(2, 3));
  scores_BH1C = scores_BH1C.masked_fill(hidden_B11C, -std::numeric_limits<double>::infinity());
  const at::Tensor share_BH1C = at::softmax(scores_BH1C, -1).masked_fill(hidden_B11C, 0);
  return at::matmul(share_BH1C, v_BHCE).squeeze(2).to(args.q_BHE.scalar_type());
}

}  // namespace tacit
