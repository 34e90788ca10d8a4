#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "lib/core/rng.h"

namespace tacit {

// The lowest temperature above 0, which means the limit: logits that differ in fp32 are as good as that far apart here.
inline constexpr double kLeastTemperature = 1e-6;
inline bool is_temperature(double t) { return t == 0 || t >= kLeastTemperature; }

// How a distribution over tokens becomes the weights of a mixture of them. The cuts are made in this order, the weights
// sum to 1 again after each.
struct MixtureOptions {
  double temperature = 1;  // of the softmax, >= 1e-6; 0 = all weight on the likeliest token, the lowest id among equals
  int64_t top_k = 0;       // the likeliest tokens that are kept; 0 = all
  double top_p = 1;        // of those, the fewest whose weights reach top_p, in (0, 1]
  double min_p = 0;        // of those, the ones that weigh at least min_p times the largest weight, in 0..1
};

// logits [B, V] -> weights [B, V], fp32, not negative, each row's sum 1.
at::Tensor mixture_weights(const at::Tensor& logits_BV, const MixtureOptions& options = {});

// Entropy of softmax(logits / temperature) by row, nats. The temperature is 0, where every entropy is 0, or >= 1e-6.
std::vector<double> token_entropies(const at::Tensor& logits_BV, double temperature = 1);

// Weights drawn around one row's weights [V], on the host; a token that weighs nothing stays out. Draws are taken in
// the order of ids.
// softmax((log w + g) / temperature), g Gumbel(0, 1): one token as the temperature goes to 0, all alike as it grows
// [Gumbel-softmax, arXiv:1611.01144].
at::Tensor gumbel_weights(const at::Tensor& weight_V, double temperature, Rng& rng);
// Dirichlet(alpha * w): its mean is w, and it comes the closer to w the larger alpha is.
at::Tensor dirichlet_weights(const at::Tensor& weight_V, double alpha, Rng& rng);

}  // namespace tacit
