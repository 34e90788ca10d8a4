#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lib/core/rng.h"

namespace tacit {

// How a token is drawn from the logits. The cuts are made in this order, each on the distribution that the one before
// left: temperature, top_k, top_p, min_p, as transformers' warpers do in generate().
struct SamplingOptions {
  double temperature = 1;  // of the softmax, >= 1e-6, or 0 = the likeliest token, nothing is drawn
  int64_t top_k = 0;       // tokens at least as likely as the k-th likeliest, equals included; 0 = all
  double top_p = 1;        // the fewest, likeliest first, that weigh top_p together; in (0, 1] [arXiv:1904.09751]
  double min_p = 0;        // those that weigh at least min_p times the likeliest; in 0..1 [arXiv:2407.01082]
};

// Fails on values outside of these ranges.
void require_sampling(const SamplingOptions& options, std::string_view operation);

// Logits of one row [V] -> log-probabilities with which tokens are drawn, -inf where cut. Not for temperature 0. Equal
// tokens at the edge of top_p: the lower id stays.
std::vector<double> sampling_log_probs(std::span<const float> logits_V, const SamplingOptions& options);

struct TokenChoice {
  int64_t token = 0;
  double log_prob = 0;  // the model's own: temperature 1, nothing cut
};

// One token a row. Row b draws from rngs[b], one number; at temperature 0 it is the likeliest, the lowest id among
// equals, and `rngs` may be empty. Fails with `operation` where the largest logit is not finite.
std::vector<TokenChoice> choose_tokens(const at::Tensor& logits_BV, const SamplingOptions& options,
                                       std::vector<Rng> rngs, std::string_view operation);

// The random numbers of token `position` of the answer of the row called `id` (Session::name_rows): they depend on
// nothing else.
Rng answer_rng(uint64_t seed, int64_t id, int64_t position);

// The row's name of sample number `sample` of problem `id`; sample 0 is called like the problem. Whatever a rule draws
// by the row's name, words, tokens, noise or a method's own vectors, is drawn anew for every sample.
int64_t sample_id(int64_t id, int64_t sample);
inline constexpr int64_t kMostSamples = 256;

}  // namespace tacit
