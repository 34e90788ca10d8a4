#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "latent/objective.h"

namespace tacit {

// CoLaR's latent head: a Gaussian over the next compressed embedding, given the hidden state after the final norm
// [arXiv:2505.16552, section 3.2]. Vectors are in units of `embedding_std`. Own weights: fc1, fc2, norm, mean,
// log_sigma
// (.weight, .bias).
MethodWeights gaussian_head_weights(int64_t hidden_size, int64_t width, uint64_t seed);

struct Gaussian {
  at::Tensor mean, log_sigma;  // fp32 [.., D]; log_sigma at least kLeastLogSigma
};
inline constexpr double kLeastLogSigma = -5;  // a density of points that repeat has no bound otherwise

// LayerNorm(W_2 gelu(W_1 h)) -> mean and log sigma, each linear.
Gaussian gaussian_head(const MethodWeights& weights, const at::Tensor& hidden);

// The same with sigma times `spread`; as it is where that is 0.
Gaussian spread_gaussian(const Gaussian& gaussian, double spread);

// Mean over the D coordinates [..], nats: (x - mean)^2 / (2 sigma^2) + log sigma + log(2 pi) / 2.
at::Tensor gaussian_nll(const Gaussian& gaussian, const at::Tensor& x);
// Mean over the D coordinates [..]: what the squared error of a sample is on average, (x - mean)^2 + sigma^2.
at::Tensor gaussian_square_error(const Gaussian& gaussian, const at::Tensor& x);

// Chunks of `factor` successive embeddings [T, D], the last one maybe shorter, each summed and divided by the root of
// its length: [ceil(T / factor), D]. A sum of independent embeddings keeps the size of one.
at::Tensor compressed_embeddings(const at::Tensor& embedding_TD, int64_t factor);

}  // namespace tacit
