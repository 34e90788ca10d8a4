#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Residual add and root-mean-square norm (Zhang & Sennrich, arXiv:1910.07467), row by row:
//
//   sum_ND = x_ND + residual_ND                      rounded to `scalar`; x_ND itself where there is no residual
//   y_ND   = sum_ND / sqrt(mean(sum_ND^2) + eps) * weight_D    computed in fp32, rounded once
//
// The norm is taken of the rounded sum, so that it sees what the next layer will read. Rows are contiguous.
struct RmsNormArgs {
  int64_t rows = 0;              // N; 0 does nothing
  int64_t size = 0;              // D
  Scalar scalar = Scalar::fp32;  // of all five arrays
  const void* x_ND = nullptr;
  const void* residual_ND = nullptr;  // null: nothing is added
  const void* weight_D = nullptr;
  float eps = 1e-5f;
  void* sum_ND = nullptr;  // null: not stored; may be x_ND or residual_ND
  void* y_ND = nullptr;    // may be x_ND or residual_ND, not sum_ND
};

void rms_norm(const RmsNormArgs& args, const Place& place);

// What rms_norm() calls once the arguments are checked.
void rms_norm_cpu(const RmsNormArgs& args);
void rms_norm_cuda(const RmsNormArgs& args, void* stream);

}  // namespace tacit
