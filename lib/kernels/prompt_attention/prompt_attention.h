#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// What the queries of a prompt find among stored keys and values, on the CPU: query t of row b sees the first
// seen_BT[b, t] columns, as a causal mask leaves them,
//
//   y_BTHE[b, t, h] = sum_s softmax_s(scale q[b, h, t] . k[b, g, s]) v[b, g, s]        g = h / (heads / kv_heads)
//
// and zero where it sees none. Scores, shares and sums are fp32. A query's bits do not depend on other queries, so that
// a prompt may be read in pieces and beside others, nor on columns that it does not see while these are finite.
// [Attention Is All You Need, arXiv:1706.03762, equation 1]
struct PromptAttentionArgs {
  int64_t rows = 0, heads = 0, kv_heads = 0;
  int64_t queries = 0;                   // T, of every row
  int64_t key_size = 0, value_size = 0;  // E, E'
  Scalar scalar = Scalar::fp32;          // of q, k, v and y
  float scale = 1;
  // Elements between neighbours; a head's own numbers are contiguous.
  struct Strides {
    int64_t row = 0, head = 0, column = 0;
  };
  const void* q_BHTE = nullptr;
  const void* k_BGSE = nullptr;
  const void* v_BGSE = nullptr;  // may lie in the keys
  Strides q, k, v;
  const int64_t* seen_BT = nullptr;  // 0 .. columns stored
  void* y_BTHE = nullptr;            // [B, T, H, E'], contiguous
};
void prompt_attention(const PromptAttentionArgs& args);

// Whether it is what a memory takes for so many queries of a row: where it was measured to be faster than LibTorch's,
// which multiplies what nobody sees as well, on CPUs with AVX2 and without AVX-512 (docs/log.md).
bool prompt_attention_is_faster(int64_t queries);

}  // namespace tacit
