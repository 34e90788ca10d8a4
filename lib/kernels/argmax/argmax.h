#pragma once

#include <cstdint>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/types.h"

namespace tacit {

// Where each row's largest number stands, on the CPU: the first of equals, 0 and -0 among them; NaN counts as larger
// than any number.
struct ArgmaxArgs {
  int64_t rows = 0;  // N; 0 does nothing
  int64_t size = 0;  // V, 1 or more
  Scalar scalar = Scalar::fp32;
  const void* x_NV = nullptr;  // contiguous
  int64_t* index_N = nullptr;
  double* largest_N = nullptr;  // the numbers themselves; null: not stored
};
void argmax(const ArgmaxArgs& args, CpuVectors vectors = cpu_vectors());

}  // namespace tacit
