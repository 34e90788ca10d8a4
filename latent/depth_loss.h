#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "latent/objective.h"
#include "lib/core/rng.h"
#include "lib/model/transformer.h"

namespace tacit {

// Whole rows, prompt and rest, in one pass through a model that thinks in depth: what its objectives are made from.
// Rows hold no thoughts. N = trained predictions of all rows, in their order.
struct DepthPass {
  DepthTrace trace;
  at::Tensor hidden_BTD;  // before the final norm, after the last recurrence
  at::Tensor at_N;        // flat index into [B, T] of the position before each trained token
  at::Tensor label_N;     // those tokens
  at::Tensor row_N;       // whose they are
  int64_t positions = 0;  // tokens of all rows

  // Of a tensor [B, T, ..], what stands before each trained token [N, ..].
  at::Tensor trained(const at::Tensor& x_BT) const { return x_BT.flatten(0, 1).index_select(0, at_N); }
};
DepthPass pass_in_depth(const Transformer& model, const std::vector<TrainingRow>& rows, const DepthRun& depth = {});

// Logits before each trained token, from hidden states before the final norm -> fp32 [N, V].
at::Tensor trained_logits(const Transformer& model, const DepthPass& pass, const at::Tensor& hidden_BTD);
// Cross entropy of each trained token, nats -> fp32 [N].
at::Tensor cross_entropies(const at::Tensor& logits_NV, const DepthPass& pass);

// The usual LatentLoss: mean cross entropy after the last recurrence.
LatentLoss answer_loss(const Transformer& model, const std::vector<TrainingRow>& rows, const DepthRun& depth = {});

// A number of recurrences, log-normal Poisson: Poisson(e^t) + 1 with t ~ N(log(mean) - deviation^2 / 2, deviation^2)
// [Huginn, arXiv:2502.05171, section 3.3]. Its mean is mean + 1, as published.
int64_t drawn_recurrences(Rng& rng, double mean, double deviation);

}  // namespace tacit
