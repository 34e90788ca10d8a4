#pragma once

#include <cstdint>

#include "lib/kernels/cpu_vectors.h"
#include "lib/kernels/types.h"

namespace tacit {

// decode_attention's work for one row and one key/value head, for kernels that are made of more than one.
struct AttendGroup {
  int64_t heads = 0;                     // that look in it
  int64_t key_size = 0, value_size = 0;  // E, E'
  const void* k_SE = nullptr;
  const void* v_SE = nullptr;
  int64_t key_stride = 0, value_stride = 0;  // between columns, in elements
  int64_t stored = 0;                        // S
  const bool* seen_S = nullptr;              // null = all
  float scale = 1;
  const float* q_HE = nullptr;
  float* scores_S = nullptr;   // room for S
  float* q_split_E = nullptr;  // room for E
  float* y_HE = nullptr;       // [heads, E']
};
using Attend = void (*)(const AttendGroup&);

// `vectors`: at most what this CPU has.
Attend attend_group(Scalar scalar, CpuVectors vectors = cpu_vectors());

}  // namespace tacit
