#pragma once

#include "lib/kernels/tensors.h"

namespace tacit {

// A matrix in int8, a scale an output: w_oi = s_o q_oi with s_o = bf16(max_i |w_oi|) / 127, in fp32, and q_oi the
// integer nearest w_oi / s_o, at most 127 either way. (Weights alone are rounded, by outputs, without calibration: what
// LLM.int8() calls vector-wise absmax [Dettmers et al. 2022, arXiv:2208.07339, section 3.1].) An output of zeros has s
// = 0; one with a number that is none has no number left.
struct Int8Rows {
  at::Tensor q_OI;     // int8
  at::Tensor scale_O;  // fp32
};
Int8Rows to_int8(const at::Tensor& weight_OI);  // of fp32 or bf16

// One array of bytes: q row by row, then, from the next multiple of kScalesBoundary bytes on, the scales.
at::Tensor pack_rows(const Int8Rows& rows);

// The weights that these stand for, rounded once to `type`. to_int8() of them gives the same where they are numbers.
at::Tensor from_int8(const Int8Rows& rows, at::ScalarType type);

}  // namespace tacit
