#pragma once

#include <cstdint>
#include <optional>

#include "lib/kernels/types.h"

namespace tacit {

// A product of large matrices on the CPU, for prompts and training:
//
//   y_MN = a_MK b_KN + bias_N (+ y_MN)        products and sums in fp32, rounded once
//
// Any two of M, N and K may be small. An element's bits depend on its row of a, its column of b, its bias and what y
// held, and on nothing else: neither on the other rows and columns nor on how many there are, nor on the number of
// threads, nor on strides.

// tiles: those of Intel's AMX, of bf16 alone. Numbers below fp32's normal range (1.2e-38) count as zero.
// avx2: a sum is one chain of fused multiply-adds over the depth in order.
enum class GemmPath { tiles, avx2 };

// A matrix of `GemmArgs::type` as it lies in memory; one of the strides must be 1, the other may be anything
// (elements).
struct GemmMatrix {
  const void* data = nullptr;
  int64_t row_stride = 0, column_stride = 1;
};

struct GemmArgs {
  Scalar type = Scalar::fp32;
  int64_t rows = 0, columns = 0, depth = 0;  // M, N (of either 0 does nothing), K >= 1
  GemmMatrix a_MK, b_KN;
  const void* bias_N = nullptr;  // null = none
  bool add = false;              // to what y holds
  void* y_MN = nullptr;          // row-major, contiguous; overlaps nothing
};

// Whether this CPU has the instructions and the system lets this process use them. Where not, gemm() fails.
bool has_gemm(GemmPath path, Scalar type);
// The path that was measured to be faster than LibTorch's product on CPUs like this one (docs/log.md), if any.
std::optional<GemmPath> fast_gemm(Scalar type);
void gemm(GemmPath path, const GemmArgs& args);

// What gemm() calls once the arguments are checked.
void tiles_gemm_cpu(const GemmArgs& args);
void avx2_gemm_cpu(const GemmArgs& args);

}  // namespace tacit
