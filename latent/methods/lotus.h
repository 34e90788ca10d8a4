#pragma once

#include "latent/method.h"

namespace tacit {

// What the latents of a row should say [LOTUS, arXiv:2606.31779]: block k holds the tokens of step k, then the end
// marker where there is room; a block without a step the end marker alone; the last block all steps that are left.
// -> by block, at most `width` tokens: those of its first latents
std::vector<std::vector<int64_t>> block_targets(const Example& example, const ObjectiveContext& context, int64_t blocks,
                                                int64_t width);

namespace parallel {

// Loops with the input injected: latents_ND [N, D] at first, then latents + what the loop before gave at the same
// position.
ParallelInputs injected(at::Tensor latents_ND);

}  // namespace parallel

}  // namespace tacit
