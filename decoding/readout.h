#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "lib/model/transformer.h"

namespace tacit {

struct TokenShare {
  int64_t token = 0;
  double probability = 0;  // 0..1
};

// What the vocabulary says of a thought: softmax of the logits of a hidden state after the final norm, most likely
// first (the lowest id among equals), at most `top` entries (the logit lens). thought_D: one vector.
std::vector<TokenShare> readout(const Transformer& model, const at::Tensor& thought_D, int64_t top);

// The same for many thoughts, with one pass over the vocabulary's matrix.
std::vector<std::vector<TokenShare>> readouts(const Transformer& model, const at::Tensor& thoughts_ND, int64_t top);

}  // namespace tacit
