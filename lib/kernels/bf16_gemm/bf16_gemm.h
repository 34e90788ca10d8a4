#pragma once

#include <cstdint>

#include "lib/kernels/bf16.h"

namespace tacit {

// A product of large matrices in bf16, for prompts and training:
//
//   y_MN = a_MK b_KN + bias_N (+ y_MN)        products and sums in fp32, rounded once
//
// by the tiles of Intel's AMX, on the CPU. Any two of M, N and K may be small. An element's bits depend on its row of
// a, its column of b, its bias and what y held, and on nothing else: neither on the other rows and columns nor on how
// many there are, nor on the number of threads, nor on strides. Numbers below fp32's normal range (1.2e-38) count as
// zero.

// A matrix as it lies in memory; one of the strides must be 1, the other may be anything (elements).
struct Bf16Matrix {
  const Bf16* data = nullptr;
  int64_t row_stride = 0, column_stride = 1;
};

struct Bf16GemmArgs {
  int64_t rows = 0, columns = 0, depth = 0;  // M, N (of either 0 does nothing), K >= 1
  Bf16Matrix a_MK, b_KN;
  const Bf16* bias_N = nullptr;  // null = none
  bool add = false;              // to what y holds
  Bf16* y_MN = nullptr;          // row-major, contiguous; overlaps nothing
};

// Whether this CPU has the tiles and the system lets this process use them. Where not, bf16_gemm() fails.
bool has_bf16_gemm();
void bf16_gemm(const Bf16GemmArgs& args);

// What bf16_gemm() calls once the arguments are checked.
void bf16_gemm_cpu(const Bf16GemmArgs& args);

}  // namespace tacit
