#pragma once

#include "lib/kernels/latent_loop/latent_loop.h"

namespace tacit {

// The norm that latent_loop takes of a hidden state to make it the next input, by itself: rows of `scalar` [N, D], fp32
// inside, rounded once. y_ND may be x_ND.
struct LoopNormArgs {
  int64_t rows = 0, size = 0;
  Scalar scalar = Scalar::fp32;
  bool layer_norm = false;  // else RMS
  float eps = 1e-5f;
  LoopNorm norm;
  const void* x_ND = nullptr;
  void* y_ND = nullptr;
};
void loop_norm(const LoopNormArgs& args);                     // on the CPU
void loop_norm_cuda(const LoopNormArgs& args, void* stream);  // returns once the work is queued

}  // namespace tacit
