#pragma once

#include <ATen/ATen.h>

namespace tacit {

struct DecodeAttentionTensors {
  at::Tensor q_BHE, k_BGCE;
  at::Tensor v_BGCE;    // undefined: values are the first value_size dimensions of the keys
  at::Tensor stored_B;  // int64
  at::Tensor seen_BC;   // bool; undefined = all that is stored
  double scale = 1;
  int64_t value_size = 0;  // read where v is undefined
};

// The definition that every decode_attention() is tested against, over any floating dtype: half precision is computed
// in fp32 and rounded once. k and v of one row are shared by all queries. A row that sees nothing gets zeros.  -> [B,
// H, E']
at::Tensor decode_attention_reference(const DecodeAttentionTensors& args);

}  // namespace tacit
