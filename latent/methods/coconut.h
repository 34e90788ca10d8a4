#pragma once

#include "latent/method.h"
#include "latent/thought_head.h"

// What Coconut shares with the methods that build on it.
namespace tacit {

// A loss and what was fed back on the way to it.
struct LossOfThoughts {
  LatentLoss loss;
  at::Tensor thoughts_BND;  // N positions in the order fed
};

// Stage k of the curriculum: the first k reference steps give way to k times `positions` positions of thoughts, the
// loss is on what remains.
TrainingRow curriculum_row(const Example& example, const ObjectiveContext& context, int64_t positions);

// A written chain of thought from step `begin` (0 = all of it) and the answer, as the rest of `row`.
void append_written(TrainingRow& row, const Example& example, const ObjectiveContext& context, size_t begin);

// Positions that one replaced step gives way to: options per_step * vectors.
int64_t positions_a_step(const Json& options);

// Coconut's loss of rows made by curriculum_row, through an unroll.
LossOfThoughts coconut_loss(const LossContext& context);

// A procedure that takes context.latents steps of thoughts through the options' head.
Procedure headed_procedure(const MethodContext& context);

// Coconut's options: the head's and per_step, thoughts a step.
Json coconut_options();
void check_coconut_options(const Json& options, const std::string& source);

// Passes of an unroll are not run again in the backward pass.
void refuse_recompute(const LossContext& context);

}  // namespace tacit
