#pragma once

#include <torch/types.h>

#include "lib/memory/attention.h"

namespace tacit {

// What a batch of sequences remembers, seen from a layer: it hands over the keys and values of the current segment and
// gets back what its queries found in everything stored so far. Who owns a memory opens a segment, lets the layers run,
// and closes it; layers only attend.
class Memory {
 public:
  virtual ~Memory() = default;

  // q [B, H, T, E], k and v [B, G, T, E], rotated already -> [B, H, T, E]
  virtual at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                            const AttentionOptions& options) = 0;
};

}  // namespace tacit
