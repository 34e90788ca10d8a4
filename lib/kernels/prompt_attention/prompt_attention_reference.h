#pragma once

#include <ATen/ATen.h>

namespace tacit {

// The definition that prompt_attention() is tested against, over any floating dtype: half precision is computed in fp32
// and rounded once. seen_BT: int64.  -> [B, T, H, E']
at::Tensor prompt_attention_reference(const at::Tensor& q_BHTE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                                      const at::Tensor& seen_BT, double scale);

}  // namespace tacit
