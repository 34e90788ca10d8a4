#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Rotary position embedding [RoFormer, arXiv:2104.09864]: the first R of a head's E dimensions are turned by the angles
// of the token's position, pair by pair; the rest pass through. Pairs are halves (i, i + R/2) or, interleaved,
// neighbours (2i, 2i + 1):
//
//   y_i = x_i cos_p,i - x_j sin_p,i     y_j = x_j cos_p,j + x_i sin_p,j     for a pair (i, j)
//
// computed in fp32 and rounded once. The heads of a token are contiguous, tokens `x_stride` and `y_stride` elements
// apart.
struct RotaryArgs {
  int64_t tokens = 0;  // N; 0 does nothing
  int64_t heads = 0, size = 0;
  int64_t rotated = 0;  // R: even, at most size
  bool interleaved = false;
  Scalar scalar = Scalar::fp32;  // of x and y
  const void* x_NHE = nullptr;
  int64_t x_stride = 0;
  void* y_NHE = nullptr;  // may be x
  int64_t y_stride = 0;
  int64_t positions = 0;  // P
  const float* cos_PR = nullptr;
  const float* sin_PR = nullptr;
  const int64_t* position_N = nullptr;  // 0 .. P - 1, which is checked on the CPU
};

void rotary(const RotaryArgs& args, const Place& place);

// What rotary() calls once the arguments are checked.
void rotary_cpu(const RotaryArgs& args);
void rotary_cuda(const RotaryArgs& args, void* stream);

}  // namespace tacit
