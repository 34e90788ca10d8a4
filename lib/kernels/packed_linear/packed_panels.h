#pragma once

#include <cstdint>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/types.h"

namespace tacit {

// The inner product of the CPU's packed weights, for kernels that are made of more than one.

inline constexpr int64_t kPanel = 64;  // outputs that lie together

// y[rows, 64] = x[rows, inputs] times one panel. Every y is one chain of fused multiply-adds over the inputs in order,
// whatever `rows` is and whatever stands in the other rows.
struct PanelCall {
  const void* weight = nullptr;
  int64_t inputs = 0, rows = 0;
  const float* x = nullptr;
  int64_t x_stride = 0;  // between rows of x, in floats
  float* y = nullptr;    // rows of 64 floats, one after the other
};
using PanelProduct = void (*)(const PanelCall&);

// `vectors`: at most what this CPU has.
PanelProduct panel_product(Scalar scalar, CpuVectors vectors = cpu_vectors());

// Bytes of one panel of `inputs`.
int64_t panel_bytes(int64_t inputs, Scalar scalar);

}  // namespace tacit
