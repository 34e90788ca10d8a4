#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Attention of one position a row over what the row has stored (or sees of it):
//
//   y_bh = sum_s softmax_s(scale * q_bh . k_bgs) v_bgs,  s < stored_B[b] and seen_BC[b, s],  g = h G / H
//
// Scores, softmax and sums in fp32, rounded once. A row's result depends on its own columns only, bitwise. A row that
// sees nothing gets zeros.
struct DecodeAttentionArgs {
  int64_t rows = 0, heads = 0, kv_heads = 0;  // B (0 does nothing), H, G dividing H
  int64_t key_size = 0, value_size = 0;       // E, E'
  int64_t columns = 0;                        // C, allocated a row
  Scalar scalar = Scalar::fp32;               // of all five arrays
  float scale = 1;
  const void* q_BHE = nullptr;
  const void* k_BGCE = nullptr;
  const void* v_BGCE = nullptr;  // null: values are the first value_size dimensions of the keys [MLA, arXiv:2405.04434]
  bool shared = false;           // k and v have one row, which all queries look in: the nodes of a tree
  const int64_t* stored_B = nullptr;  // 0 .. columns
  const bool* seen_BC = nullptr;      // null = all that is stored; else a row's ancestors [SpecInfer, arXiv:2305.09781]
  void* y_BHE = nullptr;              // [B, H, E']
};

void decode_attention(const DecodeAttentionArgs& args, const Place& place);

// What decode_attention() calls once the arguments are checked.
void decode_attention_cpu(const DecodeAttentionArgs& args);
void decode_attention_cuda(const DecodeAttentionArgs& args, void* stream);

}  // namespace tacit
