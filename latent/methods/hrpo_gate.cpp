#include "latent/methods/hrpo_gate.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <cmath>

#include "latent/token_mixture.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

constexpr double kSharpness = 8;  // c of equation 3

at::Tensor gate(const MethodWeights& weights, const std::string& name, const at::Tensor& x) {
  return at::sigmoid(at::linear(x, weights.at(name + ".weight"), weights.at(name + ".bias")));
}

}  // namespace

MethodWeights hrpo_gate_weights(int64_t hidden_size, double low, double high, uint64_t seed) {
  require(low > 0 && low <= high && high < 1, "hrpo", "expected shares 0 < low <= high < 1 but got ", low, " and ",
          high);
  Rng rng(seed, /*stream=*/0x6872'706f);  // "hrpo"
  const int64_t D = hidden_size;
  const auto uniform = [&](std::vector<int64_t> shape, double from, double to) {
    at::Tensor out = at::zeros(shape, at::kFloat);
    float* values = out.mutable_data_ptr<float>();
    for (int64_t i = 0; i < out.numel(); ++i) values[i] = static_cast<float>(from + (to - from) * rng.uniform());
    return out;
  };
  const double bound = 1 / std::sqrt(static_cast<double>(D));
  MethodWeights out;
  for (const std::string name : {"gate_r", "gate_i"}) {
    out[name + ".weight"] = uniform({D, D}, -bound, bound);
    out[name + ".bias"] = at::zeros({D}, at::kFloat);
  }
  const at::Tensor share_D = uniform({D}, low, high).to(at::kDouble);
  out["lambda"] = -(share_D.pow(-1 / kSharpness) - 1).log().to(at::kFloat);
  return out;
}

at::Tensor hrpo_share(const MethodWeights& weights, const at::Tensor& token_embedding) {
  const at::Tensor open = gate(weights, "gate_r", token_embedding.to(at::kFloat));
  return (-kSharpness * at::softplus(-weights.at("lambda")) * open).exp();
}

at::Tensor hrpo_input(const MethodWeights& weights, const at::Tensor& token_embedding, const at::Tensor& residual) {
  const at::Tensor e = token_embedding.to(at::kFloat);
  const at::Tensor share = hrpo_share(weights, e);
  return share * e + (1 - share.square() + 1e-8).sqrt() * (gate(weights, "gate_i", e) * residual.to(at::kFloat));
}

at::Tensor hrpo_residual(const Transformer& model, const at::Tensor& logits, double temperature) {
  const at::Tensor p = mixture_weights(logits, {.temperature = temperature});
  return model.embed_mixture((p / p.square().sum(-1, /*keepdim=*/true).sqrt()).to(model.dtype()));
}

std::vector<Rollout> hrpo_rollouts(const Transformer& model, const MethodWeights& weights, const Procedure& procedure,
                                   const TokenRows& prompts, const TokenRows& expected,
                                   const HrpoRolloutOptions& options) {
  const at::NoGradGuard no_grad;
  const int64_t most = procedure.think.max_steps;
  RolloutBatch batch(model, prompts, expected, options.group, most, procedure, options.seed);
  Session& session = batch.session();
  const int64_t B = batch.rows();
  std::vector<char> thinking(B, 1), marker_fed(B, 0);
  for (int64_t step = 0; step < most && std::ranges::count(thinking, 1) > 0; ++step) {
    const at::Tensor logits_BV = session.logits_BV();
    const auto draws = draw_tokens(logits_BV, options.temperature, batch.rngs(), thinking);
    std::vector<int64_t> ids, counts(thinking.begin(), thinking.end());
    for (const TokenDraw& draw : draws) ids.push_back(draw.token);
    const at::Tensor e_BD = model.embed(at::tensor(ids, at::kLong).to(model.device()));
    const at::Tensor residual_BD = hrpo_residual(model, logits_BV, options.residual_temperature);
    at::Tensor x_BD = hrpo_input(weights, e_BD, residual_BD).to(model.dtype());
    for (int64_t b = 0; b < B; ++b) {
      if (!thinking[b]) continue;
      Rollout& rollout = batch.rollouts()[b];
      if (!procedure.answer_marker.empty() && ids[b] == procedure.answer_marker[0]) {
        rollout.add(ids[b], true, draws[b].log_p);
        x_BD[b].copy_(e_BD[b]);
        thinking[b] = 0;
        marker_fed[b] = 1;
      } else {
        rollout.add(ids[b], true, draws[b].log_p, residual_BD[b]);
        ++rollout.thoughts;
      }
    }
    session.feed_vectors(x_BD.unsqueeze(1), counts);
  }
  batch.finish(marker_fed, options.temperature);
  return std::move(batch.rollouts());
}

namespace {

// What was fed: embeddings, mixed with their residual where they have one.
struct Inputs {
  at::Tensor input_ND;
  double token_share = 1;  // mean over what was mixed
};

Inputs inputs_of(const Transformer& model, const MethodWeights& weights, const std::vector<Rollout>& rollouts,
                 const Fed& fed, bool mixed) {
  std::vector<int64_t> ids, which;
  std::vector<at::Tensor> residuals;
  for (size_t n = 0; n < fed.row.size(); ++n) {
    const Rollout& rollout = rollouts[fed.row[n]];
    ids.push_back(rollout.tokens[fed.position[n]]);
    const at::Tensor& residual = rollout.vectors[fed.position[n]];
    if (!mixed || !residual.defined()) continue;
    which.push_back(static_cast<int64_t>(n));
    residuals.push_back(residual);
  }
  const at::Tensor e_ND = model.embed(at::tensor(ids, at::kLong).to(model.device())).to(at::kFloat);
  if (which.empty()) return {e_ND};
  const at::Tensor which_M = at::tensor(which, at::kLong).to(model.device());
  const at::Tensor e_MD = e_ND.index_select(0, which_M);
  return {e_ND.index_copy(0, which_M, hrpo_input(weights, e_MD, at::stack(residuals))),
          hrpo_share(weights, e_MD.detach()).mean().item<double>()};
}

}  // namespace

LatentLoss hrpo_loss(const Transformer& model, const MethodWeights& weights, const std::vector<Rollout>& rollouts,
                     const std::vector<double>& advantages, const HrpoLossOptions& options) {
  const Fed fed = fed_positions(rollouts);
  const TokenActions actions = token_actions(rollouts, advantages);
  const Inputs inputs = inputs_of(model, weights, rollouts, fed, /*mixed=*/true);
  const TokenScores scores =
      score_tokens(model, replay(model, rollouts, fed, inputs.input_ND), actions, options.temperature);
  PolicyLossOptions how{.clip = options.clip, .kl = options.kl};
  if (options.kl > 0) {
    require(options.reference != nullptr, "hrpo", "expected a reference where kl is above 0");
    const at::NoGradGuard no_grad;
    const Transformer& reference = *options.reference;
    const Inputs tokens = inputs_of(reference, weights, rollouts, fed, /*mixed=*/false);
    how.reference_N =
        score_tokens(reference, replay(reference, rollouts, fed, tokens.input_ND), actions, options.temperature)
            .log_p_N;
  }
  const PolicyLoss policy = policy_loss({scores.log_p_N, actions.old_N, actions.advantage_N, actions.share_N}, how);
  LatentLoss out;
  out.total = policy.loss;
  out.tokens = -scores.log_p_N.mean().item<double>();
  out.accuracy = scores.likeliest;
  double words = 0;
  for (const Rollout& rollout : rollouts) {
    out.positions += std::ssize(rollout.prompt) + std::ssize(rollout.tokens);
    words += static_cast<double>(rollout.thoughts) / static_cast<double>(rollouts.size());
  }
  out.figures = {{"reward", mean_reward(rollouts)},
                 {"words", words},
                 {"token_share", inputs.token_share},
                 {"ratio_error", policy.ratio_error}};
  if (options.kl > 0) out.figures.emplace_back("kl", policy.kl);
  return out;
}

}  // namespace tacit
