#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "latent/methods/colar_head.h"
#include "latent/methods/colar_loss.h"

namespace tacit {

std::vector<Rollout> colar_rollouts(const Transformer& model, const MethodWeights& head, const Procedure& procedure,
                                    const TokenRows& prompts, const TokenRows& expected,
                                    const ColarRolloutOptions& options) {
  const at::NoGradGuard no_grad;
  const int64_t most = procedure.think.max_steps, D = model.config().hidden_size;
  RolloutBatch batch(model, prompts, expected, options.group, most, procedure, options.seed);
  Session& session = batch.session();
  const int64_t B = batch.rows();
  std::vector<char> thinking(B, 1), marker_fed(B, 0);
  const auto goes_on = [&] { return std::ranges::count(thinking, 1) > 0; };
  for (int64_t step = 0; step < most && goes_on(); ++step) {
    std::vector<int64_t> counts(thinking.begin(), thinking.end());
    at::Tensor x_BD = at::zeros({B, D}, at::TensorOptions().dtype(at::kFloat).device(model.device()));
    if (step > 0 && !procedure.answer_marker.empty()) {
      const int64_t marker = procedure.answer_marker[0];
      const auto draws = draw_tokens(session.logits_BV(), options.temperature, batch.rngs(), thinking);
      const at::Tensor marker_D = model.embed(at::tensor({marker}, at::kLong).to(model.device()))[0].to(at::kFloat);
      for (int64_t b = 0; b < B; ++b) {
        if (!thinking[b] || draws[b].token != marker) continue;
        batch.rollouts()[b].add(marker, true, draws[b].log_p);
        x_BD[b].copy_(marker_D);
        thinking[b] = 0;
        marker_fed[b] = 1;
      }
    }
    const Gaussian gaussian = spread_gaussian(gaussian_head(head, session.hidden_BD()), options.spread);
    at::Tensor noise_BD = at::zeros({B, D}, at::kFloat);
    float* noise = noise_BD.mutable_data_ptr<float>();
    for (int64_t b = 0; b < B; ++b) {
      if (!thinking[b] || options.spread == 0) continue;
      for (int64_t d = 0; d < D; ++d) noise[b * D + d] = static_cast<float>(batch.rngs()[b].normal());
    }
    const at::Tensor latent_BD = gaussian.mean + gaussian.log_sigma.exp() * noise_BD.to(model.device());
    const at::Tensor log_p_B = -gaussian_nll(gaussian, latent_BD).to(at::kCPU, at::kDouble);
    // As it is fed, in the model's type.
    const at::Tensor fed_BD = (latent_BD * options.embedding_std).to(model.dtype());
    for (int64_t b = 0; b < B; ++b) {
      if (!thinking[b]) continue;
      batch.rollouts()[b].add(-1, false, log_p_B[b].item<double>(), fed_BD[b]);
      ++batch.rollouts()[b].thoughts;
      x_BD[b].copy_(fed_BD[b]);
    }
    session.feed_vectors(x_BD.unsqueeze(1), counts);
  }
  batch.finish(marker_fed, options.temperature);
  return std::move(batch.rollouts());
}

}  // namespace tacit
