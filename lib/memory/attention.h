#pragma once

#include <ATen/ATen.h>

namespace tacit {

struct AttentionOptions {
  double scale = 1;    // factor on q . k
  at::Tensor smear_G;  // undefined: keys as they are; else key j is (1 - s) k_j + s k_{j-1}, s in (0, 1) a KV head
};

// Keys smeared with those on their left [Olsson et al. 2022, arXiv:2209.11895]. A memory smears a key once, when it
// stores it.  -> [B, G, T, E]
at::Tensor smear(const at::Tensor& k_BGTE, const at::Tensor& left_BGTE, const at::Tensor& smear_G);

// What stands left of each key of a segment: `before` [B, G, 1, E], then the keys themselves.
at::Tensor left_neighbours(const at::Tensor& k_BGTE, const at::Tensor& before_BG1E);

// softmax(scale * q k^T + mask) v.  q [B, H, T, E], k and v [B, G, S, E] with G dividing H, mask [B, 1, T, S] bool
// (true = seen). A query that sees nothing gets a finite, meaningless result.  -> [B, H, T, E]
at::Tensor attention(const at::Tensor& q_BHTE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                     const at::Tensor& mask_B1TS, double scale);

// The same for training: written out as two products where the scores are small enough to keep for the backward pass,
// which on the CPU takes a third of the fused kernel's time at a hundred tokens (docs/log.md).
at::Tensor attention_for_training(const at::Tensor& q_BHTE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                                  const at::Tensor& mask_B1TS, double scale);

}  // namespace tacit
