#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Residual add and layer norm (Ba et al., arXiv:1607.06450), row by row:
//
//   sum_ND = x_ND + residual_ND                      rounded to `scalar`; x_ND itself where there is no residual
//   y_ND   = (sum_ND - mean) / sqrt(variance + eps) * weight_D + bias_D    computed in fp32, rounded once
//
// with the mean and the (biased) variance of the row's rounded sum. Rows are contiguous. The models' layers take
// LibTorch's, which is faster from some rows on (docs/log.md).
struct LayerNormArgs {
  int64_t rows = 0;              // N; 0 does nothing
  int64_t size = 0;              // D
  Scalar scalar = Scalar::fp32;  // of all six arrays
  const void* x_ND = nullptr;
  const void* residual_ND = nullptr;  // null: nothing is added
  const void* weight_D = nullptr;
  const void* bias_D = nullptr;  // null = 0
  float eps = 1e-5f;
  void* sum_ND = nullptr;  // null: not stored; may be x_ND or residual_ND
  void* y_ND = nullptr;    // may be x_ND or residual_ND, not sum_ND
};

void layer_norm(const LayerNormArgs& args, const Place& place);

// What layer_norm() calls once the arguments are checked.
void layer_norm_cpu(const LayerNormArgs& args);
void layer_norm_cuda(const LayerNormArgs& args, void* stream);

}  // namespace tacit
