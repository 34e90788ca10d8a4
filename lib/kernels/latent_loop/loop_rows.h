#pragma once

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/latent_loop/latent_loop.h"

namespace tacit {

// What latent_loop does to one row between its products, on the CPU. Rows are fp32; weights are `scalar`.

struct RowNorm {
  Scalar scalar = Scalar::fp32;
  bool layer = false;  // else RMS
  float eps = 1e-5f;
  int64_t size = 0;
  LoopNorm norm;
};
void norm_row(const RowNorm& norm, const float* x, float* y);  // y may be x

// y = act(x) * up, or act(x) where up is null; y may be x. `vectors`: at most what this CPU has.
void activate_row(LoopActivation activation, int64_t count, const float* x, const float* up, float* y,
                  CpuVectors vectors = cpu_vectors());

}  // namespace tacit
