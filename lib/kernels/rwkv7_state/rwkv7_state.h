#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// RWKV-7's recurrence over a segment of columns [arXiv:2503.14456, section 4; its names behind]. Every row and head
// keeps a matrix S of values by keys:
//
//   S_t = S_{t-1} (diag(decay_t) - removed_t rate_removed_t^T) + value_t key_t^T
//   y_t = S_t receptance_t
//
// All arrays are fp32 and contiguous. A row's result depends neither on the rows beside it nor on the segment's width.
struct Rwkv7StateArgs {
  int64_t rows = 0, columns = 0;             // B, T; 0 does nothing
  int64_t heads = 0, size = 0;               // H, E; on CUDA E is at most 128
  const float* receptance_BTHE = nullptr;    // r
  const float* decay_BTHE = nullptr;         // w
  const float* key_BTHE = nullptr;           // k
  const float* value_BTHE = nullptr;         // v
  const float* removed_BTHE = nullptr;       // k^
  const float* rate_removed_BTHE = nullptr;  // a * k^
  const bool* real_BT = nullptr;             // false: the column passes over the state, its y is 0; null = all true
  float* state_BHEE = nullptr;               // in and out
  float* y_BTHE = nullptr;
  // For the backward pass: the state before columns 0, N, 2N, .. with N = checkpoint_every. Null = not kept; CPU only.
  float* checkpoints_BHNEE = nullptr;
  int64_t checkpoint_every = 0;
};

void rwkv7_state(const Rwkv7StateArgs& args, const Place& place);

// The gradient of a number by every input, given its gradient by y and by the last state, from the checkpoints that the
// forward pass kept. forward.y_BTHE and forward.state_BHEE are not read. CPU only.
struct Rwkv7StateBackwardArgs {
  Rwkv7StateArgs forward;
  const float* d_y_BTHE = nullptr;
  const float* d_last_state_BHEE = nullptr;  // null = 0
  float* d_receptance_BTHE = nullptr;
  float* d_decay_BTHE = nullptr;
  float* d_key_BTHE = nullptr;
  float* d_value_BTHE = nullptr;
  float* d_removed_BTHE = nullptr;
  float* d_rate_removed_BTHE = nullptr;
  float* d_first_state_BHEE = nullptr;
};

void rwkv7_state_backward(const Rwkv7StateBackwardArgs& args, const Place& place);

// What these call once the arguments are checked.
void rwkv7_state_cpu(const Rwkv7StateArgs& args);
void rwkv7_state_backward_cpu(const Rwkv7StateBackwardArgs& args);
void rwkv7_state_cuda(const Rwkv7StateArgs& args, void* stream);

}  // namespace tacit
