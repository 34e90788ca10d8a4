#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "latent/objective.h"
#include "latent/rollout.h"

namespace tacit {

// HRPO's learned gate between a token and the distribution that it was drawn from [arXiv:2505.18454, equations 2 to 4].
// Own weights: gate_r.weight, gate_i.weight [D, D], gate_r.bias, gate_i.bias, lambda [D].

// Fresh ones: shares of the token between `low` and `high` (0 < low <= high < 1) where its gate is fully open, so that
// the model starts as a chain of plain tokens.
MethodWeights hrpo_gate_weights(int64_t hidden_size, double low, double high, uint64_t seed);

// a = exp(-c softplus(-lambda) sigmoid(W_r e + b_r)), c = 8: the token's share, in (0, 1) [.., D].
at::Tensor hrpo_share(const MethodWeights& gate, const at::Tensor& token_embedding);

// a e + sqrt(1 - a^2 + 1e-8) (sigmoid(W_i e + b_i) . h), fp32. e: the token's embedding, h: hrpo_residual [.., D].
at::Tensor hrpo_input(const MethodWeights& gate, const at::Tensor& token_embedding, const at::Tensor& residual);

// The distribution as an embedding: sum_v p_v E_v / |p|_2, p = softmax(logits / temperature) [.., D].
at::Tensor hrpo_residual(const Transformer& model, const at::Tensor& logits, double temperature);

struct HrpoRolloutOptions {
  int64_t group = 8;
  double temperature = 1;  // of what is drawn; 0 = the likeliest
  double residual_temperature = 1;
  uint64_t seed = 0;
};

// Chains and answers drawn for every prompt; a thought's vector is its residual. `procedure`: words, markers, cap.
std::vector<Rollout> hrpo_rollouts(const Transformer& model, const MethodWeights& gate, const Procedure& procedure,
                                   const TokenRows& prompts, const TokenRows& expected,
                                   const HrpoRolloutOptions& options);

struct HrpoLossOptions {
  double temperature = 1;
  double clip = 0.2;
  double kl = 0;
  const Transformer* reference = nullptr;  // reads the same tokens, without residuals; needed where kl > 0
};

// The policy's loss on fixed rollouts, with gradient through model and gate; residuals are constants, as in the
// original. figures: reward, words, token_share, ratio_error, kl.
LatentLoss hrpo_loss(const Transformer& model, const MethodWeights& gate, const std::vector<Rollout>& rollouts,
                     const std::vector<double>& advantages, const HrpoLossOptions& options);

}  // namespace tacit
