#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "lib/memory/static_training_memory.h"
#include "lib/model/transformer.h"

namespace tacit {

// Transformer::forward on the segment that `memory` has open, without keeping what the blocks compute: the backward
// pass runs the segment again. Of a segment its input, its keys and values and its hidden states stay [Chen et al.,
// arXiv:1604.06174]. `chain`: in, what the segment before left (undefined = none); out, this one's. It has the
// segments' backward passes run from the last to the first. `memory` and `model` may have no other use with gradient
// meanwhile.
at::Tensor forward_recomputed(const std::shared_ptr<const Transformer>& model,
                              const std::shared_ptr<StaticTrainingMemory>& memory, const at::Tensor& x,
                              const at::Tensor& position, at::Tensor& chain, const at::Tensor& wanted_N = {});

}  // namespace tacit
