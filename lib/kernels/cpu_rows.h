#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Between fp32 rows, in which the CPU's kernels compute, and rows of `scalar`, as memory holds them.

void add_row(int64_t count, const float* x, float* y);  // y += x
void add_row(Scalar scalar, int64_t count, const void* x, float* y);
void widen_row(Scalar scalar, int64_t count, const void* x, float* y);
void narrow_row(Scalar scalar, int64_t count, const float* x, void* y);
void round_row(Scalar scalar, int64_t count, float* x);  // as narrowed and widened again

}  // namespace tacit
