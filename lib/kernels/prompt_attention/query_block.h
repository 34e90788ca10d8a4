#pragma once

#include <cstdint>

#include "lib/kernels/cpu_vectors.h"

namespace tacit {

// prompt_attention's work for as many queries of a row and head as stand in two vectors; all fp32.
struct QueryBlock {
  int64_t key_size = 0, value_size = 0;  // E, E'
  const float* k_SE = nullptr;
  const float* v_SE = nullptr;
  int64_t key_stride = 0, value_stride = 0;  // between columns
  int64_t most_seen = 0;                     // S, of any query
  const int32_t* seen_Q = nullptr;           // 0 .. most_seen; Q of them
  const float* q_EQ = nullptr;               // scaled
  float* scores_SQ = nullptr;                // room
  float* factor_Q = nullptr;                 // out: what y_EQ is to be multiplied with
  float* y_EQ = nullptr;                     // out: [E', Q]
};

struct AttendQueries {
  int64_t queries = 0;  // Q
  void (*attend)(const QueryBlock&) = nullptr;
};
// `vectors`: at most what this CPU has.
AttendQueries attend_queries(CpuVectors vectors = cpu_vectors());
inline constexpr int64_t kMostQueries = 32;

}  // namespace tacit
