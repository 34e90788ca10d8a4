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
  // The recurrence, from 1, after which each position left [B, T] int64; undefined where none leaves early.
  at::Tensor exit_BT;
};

// By position, the probability of leaving after each recurrence [Ouro, arXiv:2510.25741]: p_t = g_t (1 -
// g_1) .. (1 - g_{t-1}) with g the logistic function of the gate; the last takes what is left.  -> fp32 [B, T, r]
at::Tensor exit_probabilities(const DepthTrace& trace);

// By position, the first recurrence (from 1) by whose end those probabilities sum to `threshold`; the last one where
// none does.  -> [B, T] int64
at::Tensor exit_by_gate(const DepthTrace& trace, double threshold);

// By position, whether KL(before || after) is below `kl`, of two readouts [B, T, V] as logits.  -> [B, T] bool
at::Tensor nearly_same(const at::Tensor& before_BTV, const at::Tensor& after_BTV, double kl);

// By position, the first recurrence (from 1) after which it is settled (by recurrence, [B, T] bool); the last where
// none is.
at::Tensor first_settled(const std::vector<at::Tensor>& settled_BT);

// Of what each recurrence gave [B, T, D], by position what it left with.
at::Tensor at_exit(const std::vector<at::Tensor>& output_BTD, const at::Tensor& exit_BT);

}  // namespace tacit
