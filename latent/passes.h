#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

#include "latent/batch.h"

namespace tacit {

// The passes that a batch's loss is made of, in this order: the prompts, thoughts one by one, and the rest. All hidden
// states are those after the final norm.
class Passes {
 public:
  virtual ~Passes() = default;
  // The model whose weights are used, for readouts.
  virtual const Transformer& model() const = 0;
  // -> hidden state at the prompts' last tokens [B, 1, D]
  virtual at::Tensor prompts() = 0;
  // One thought consumed -> [B, 1, D]
  virtual at::Tensor thought(const at::Tensor& x_B1D) = 0;
  // `steps` thoughts, the first given, without gradient and without a trace in the memory -> [B, steps, D]
  virtual at::Tensor think(const at::Tensor& first_B1D, int64_t steps) = 0;
  // Thoughts that are given (undefined = none), then the rest but its last token, which predicts nothing
  // -> [B, thoughts + rest width - 1, D], meaningless behind a row's own end
  virtual at::Tensor rest(const at::Tensor& thoughts_BKD) = 0;
};

// The plain path, of a batch whose rows the host knows: every pass a padded batch, keys and values appended by
// concatenation, gradients summed by autograd.
std::unique_ptr<Passes> plain_passes(const Transformer& model, const Batch& batch);

// The same function of the weights at less cost: a static memory, gradients of the weights summed once, and of the
// prompts' last block nothing but the last tokens. On the CPU, where the host knows the rows and no layer keeps a
// state, they lie one behind the other without padding; else they are padded. With `recompute` the backward pass runs
// every pass again instead of keeping what it computed.
std::unique_ptr<Passes> fast_passes(const Transformer& model, const Batch& batch, bool recompute);

}  // namespace tacit
