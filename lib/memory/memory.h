#pragma once

#include <ATen/ATen.h>

#include "lib/memory/attention.h"

namespace tacit {

// What a batch of sequences remembers, seen from a layer. A layer of attention hands over the keys and values of the
// current segment and gets back what its queries found in everything stored so far; a layer with a state of fixed size
// reads it and writes it back. Who owns a memory opens a segment, lets the layers run, and closes it.
class Memory {
 public:
  virtual ~Memory() = default;

  // q [B, H, T, E], k [B, G, T, E] and v [B, G, T, E'], rotated already -> [B, H, T, E']. In a layer whose layout says
  // values_in_keys, v is undefined and E' the layout's value_size.
  virtual at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                            const AttentionOptions& options) = 0;

  // The layer's tensor number `which`, fp32 [B, ...], as the last segment left it; zero before the first.
  virtual at::Tensor state(int64_t layer, int64_t which) const = 0;
  virtual void set_state(int64_t layer, int64_t which, const at::Tensor& value) = 0;
  // The same tensor, contiguous, to be changed in place: what is written there is the layer's state from then on, and
  // nobody else's. For use without gradients.
  virtual at::Tensor state_in_place(int64_t layer, int64_t which) {
    const at::Tensor copy = state(layer, which).clone(at::MemoryFormat::Contiguous);
    set_state(layer, which, copy);
    return copy;
  }

  // Which columns of the open segment hold a token [B, T] bool; undefined = all. A state must pass over the others.
  virtual at::Tensor real_BT() const = 0;
};

}  // namespace tacit
