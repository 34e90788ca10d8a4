#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// Log-linear attention over a segment of columns, position by position [arXiv:2506.04761, section 3]. Seen from
// position t, a position s <= t stands at level digits(t xor s), the number of binary digits; every row and head keeps
// a matrix S of values by keys a level:
//
//   y_t = sum_l weight_t,l S_t,l query_t,   S_t,l = sum_{s at level l of t} exp(sum_{u = s+1..t} decay_u) value_s
//   key_s^T
//
// From one position to the next all levels below digits(t xor (t - 1)) merge into that one; level 0 is the position
// itself, and level l > 0 holds something only while bit l - 1 of the position is set.
//
// The columns that hold a token stand at consecutive positions of their row; a row whose first is 0 starts from a state
// of zeros. All arrays but positions and real are fp32, and all are contiguous. A row's result depends neither on the
// rows beside it nor on the segment's width.
struct LogLinearStateArgs {
  int64_t rows = 0, columns = 0;      // B, T; 0 does nothing
  int64_t heads = 0, size = 0;        // H, E; on CUDA E is at most 128
  int64_t levels = 0;                 // L; positions are below 2^(L-1), which is checked on the CPU
  const float* query_BTHE = nullptr;  // scaled already
  const float* key_BTHE = nullptr;
  const float* value_BTHE = nullptr;
  const float* decay_BTH = nullptr;  // logarithm of the factor, <= 0
  const float* weight_BTHL = nullptr;
  const int64_t* position_BT = nullptr;
  const bool* real_BT = nullptr;  // false: the column passes over the state, its y is 0; null = all true
  float* state_BLHEE = nullptr;   // in and out
  float* y_BTHE = nullptr;
};

void log_linear_state(const LogLinearStateArgs& args, const Place& place);

// What log_linear_state() calls once the arguments are checked.
void log_linear_state_cpu(const LogLinearStateArgs& args);
void log_linear_state_cuda(const LogLinearStateArgs& args, void* stream);

}  // namespace tacit
