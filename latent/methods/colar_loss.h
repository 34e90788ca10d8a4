#pragma once

#include <vector>

#include "latent/method.h"
#include "latent/rollout.h"

namespace tacit {

// Method colar's two stages of training [arXiv:2505.16552].

// A chain of thought in chunks: prompt, compressed embeddings, answer marker, answer, end.
struct ColarSequences {
  std::vector<Rollout> rows;  // -1 at latents; drawn and log_p are not used
  Fed fed;
  at::Tensor input_ND;                               // of what is fed, with gradient
  std::vector<int64_t> latent_row, latent_position;  // of every latent
  std::vector<int64_t> latent_fed;                   // its place in `fed`
  std::vector<int64_t> label_row, label_position;    // of every trained token: one of each chunk, drawn, and the rest
  std::vector<int64_t> label;
};
// chains[i]: the tokens of row i's chain; tails[i]: answer marker, answer, end.
ColarSequences colar_sequences(const Transformer& model, const TokenRows& prompts, const TokenRows& chains,
                               const TokenRows& tails, int64_t factor, uint64_t seed);

// Supervised: cross entropy of the labels + the head's loss on the next compressed embedding, which carries no
// gradient. The factor is drawn from 1..max_compression for each batch; in validation it is `compression`.
LatentLoss colar_supervised_loss(const LossContext& context);

// Reinforced: GRPO on sampled latents and answers.
LatentLoss colar_policy_loss(const LossContext& context);

struct ColarRolloutOptions {
  int64_t group = 8;
  double temperature = 1;  // of tokens; 0 = the likeliest
  double spread = 1;       // of latents, times sigma; 0 = the mean
  double embedding_std = 1;
  uint64_t seed = 0;
};
// Latents until a drawn token is the answer marker (never before the first latent), then the answer. A latent's vector
// is what was fed, its log_p the mean over coordinates.
std::vector<Rollout> colar_rollouts(const Transformer& model, const MethodWeights& head, const Procedure& procedure,
                                    const TokenRows& prompts, const TokenRows& expected,
                                    const ColarRolloutOptions& options);

// What inference has: the prompt's last tokens say the factor, the think marker written `compression` times; thoughts,
// markers and their cap.
Procedure colar_format(const MethodContext& context, int64_t compression);

}  // namespace tacit
