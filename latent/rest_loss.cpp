#include "latent/rest_loss.h"

#include <vector>

namespace tacit {

Hidden run_through_thoughts(Passes& passes, const Batch& batch) {
  at::Tensor last_B1D = passes.prompts();
  std::vector<at::Tensor> thoughts;
  for (int64_t k = 0; k < batch.shape.latents; ++k) {
    thoughts.push_back(last_B1D);
    last_B1D = passes.thought(last_B1D);
  }
  Hidden out;
  if (!thoughts.empty()) out.thoughts_BKD = at::cat(thoughts, 1);
  out.before_BTD = batch.shape.rest_width > 1 ? at::cat({last_B1D, passes.rest({})}, 1) : last_B1D;
  return out;
}

RestLoss rest_loss(const Transformer& model, const Batch& batch, const at::Tensor& before_BTD) {
  const at::Tensor trained_ND = before_BTD.flatten(0, 1).index_select(0, batch.trained_N);
  const at::Tensor logits_NV = model.logits(trained_ND).to(at::kFloat);
  const at::Tensor right = (logits_NV.argmax(-1) == batch.label_N).to(at::kFloat).sum();
  return {at::cross_entropy_loss(logits_NV, batch.label_N, /*weight=*/{}, at::Reduction::Mean, kNoLabel),
          right / (batch.label_N != kNoLabel).sum()};
}

}  // namespace tacit
