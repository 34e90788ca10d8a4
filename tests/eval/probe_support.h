#pragma once

#include <ATen/ATen.h>

#include "lib/core/rng.h"

namespace tacit::test {

// Normal numbers, fp64.
inline at::Tensor normal(int64_t rows, int64_t width, uint64_t seed) {
  Rng rng(seed);
  at::Tensor out_ND = at::empty({rows, width}, at::kDouble);
  for (int64_t i = 0; i < rows * width; ++i) out_ND.mutable_data_ptr<double>()[i] = rng.normal();
  return out_ND;
}

}  // namespace tacit::test
