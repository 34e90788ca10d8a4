#pragma once

#include "lib/kernels/decode_attention/decode_attention.h"

namespace tacit {

// The gradients of decode_attention(), for training through thoughts: each is one position a row, which looks back at
// all that is stored, so that its backward pass, too, is one reading of keys and values. With the shares p of the
// softmax, which are computed anew,
//
//   dp_bhs = dy_bh . v_bgs,   ds_bhs = scale p_bhs (dp_bhs - sum_t p_bht dp_bht)
//   dq_bh = sum_s ds_bhs k_bgs,   dk_bgs += sum_h ds_bhs q_bh,   dv_bgs += sum_h p_bhs dy_bh
//
// in fp32, rounded once. Columns that a row does not see are neither read nor written. On the CPU.
struct DecodeAttentionBackwardArgs {
  DecodeAttentionArgs forward;   // y_BHE is not read; v_BGCE is there, shared is not set
  const void* dy_BHE = nullptr;  // [B, H, E']
  void* dq_BHE = nullptr;        // written
  void* dk_BGCE = nullptr;       // added to
  void* dv_BGCE = nullptr;       // added to
};

void decode_attention_backward(const DecodeAttentionBackwardArgs& args);

// What decode_attention_backward() calls once the arguments are checked.
void decode_attention_backward_cpu(const DecodeAttentionBackwardArgs& args);

}  // namespace tacit
