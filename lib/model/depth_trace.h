#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace tacit {

// What a model went through in depth, by recurrence and, if asked for, by block.
struct DepthTrace {
  bool keep_layers = false;  // asked for by the caller
  // With keep_layers: the residual stream behind every block, in the order in which they ran [B, T, D].
  std::vector<at::Tensor> layer_BTD;
  // The state after each recurrence [B, T, D]; where no coda follows, what forward() gives for that many of them.
  std::vector<at::Tensor> hidden_BTD;
  // Logits of the exit gate, empty without one: of every position [B, T] (Ouro), or of every row [B] (TRM, whose
  // halting head says "solved" above 0).
  std::vector<at::Tensor> gate;
};

// By position, the probability of leaving after each recurrence [Ouro, arXiv:2510.25741]: p_t = g_t (1 -
// g_1) .. (1 - g_{t-1}) with g the logistic function of the gate; the last takes what is left.  -> fp32 [B, T, r]
at::Tensor exit_probabilities(const DepthTrace& trace);

// By position, the hidden state of the first recurrence by whose end those probabilities sum to `threshold`; the last
// one's where none does.  -> [B, T, D]
at::Tensor hidden_at_exit(const DepthTrace& trace, double threshold);

}  // namespace tacit
