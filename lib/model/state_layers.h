#pragma once

#include <ATen/ATen.h>

#include "lib/memory/memory.h"
#include "lib/model/config.h"

namespace tacit {

// What layers that keep a state (lib/memory/layout.h) have in common.

// The dtype that a state is computed in: fp32 whatever the model's, but fp64 in a model of fp64.
at::ScalarType state_dtype(const at::Tensor& x);

// The input of the position before each, zero before a row's first: x [B, T, D] -> [B, T, D]. The last input of every
// row is kept in the layer's state number `which` [B, D].
at::Tensor shift_tokens(const at::Tensor& x_BTD, Memory& memory, int64_t layer, int64_t which);

// Whether block `number` is the first of RWKV-7's kind, whose values the later ones mix into theirs.
bool is_first_rwkv7(const ModelConfig& config, int64_t number);

}  // namespace tacit
