#include <algorithm>
#include <vector>

#include "lib/kernels/cpu_rows.h"
#include "lib/kernels/decode_attention/attend_group.h"
#include "lib/kernels/decode_attention/decode_attention.h"
#include "lib/kernels/team.h"

namespace tacit {

void decode_attention_cpu(const DecodeAttentionArgs& a) {
  constexpr int64_t kWorthTheTeam = 1 << 20;  // multiply-adds; below, waking a thread costs more than the work
  const Attend attend = attend_group(a.scalar);
  const int64_t bytes = a.scalar == Scalar::fp32 ? 4 : 2, group = a.heads / a.kv_heads;
  const auto at = [&](const void* base, int64_t element) {
    return static_cast<char*>(const_cast<void*>(base)) + element * bytes;
  };
  const void* values = a.v_BGCE ? a.v_BGCE : a.k_BGCE;
  const int64_t value_stride = a.v_BGCE ? a.value_size : a.key_size;
  int64_t work = 0;
  for (int64_t b = 0; b < a.rows; ++b) work += a.stored_B[b] * a.heads * (a.key_size + a.value_size);
  run_team(work < kWorthTheTeam, [&](Team& team) {
    thread_local std::vector<float> space;
    const int64_t q_size = group * a.key_size, y_size = group * a.value_size;
    const auto size = static_cast<size_t>(q_size + y_size + a.columns + a.key_size);
    if (space.size() < size) space.resize(size);
    float *q = space.data(), *y = q + q_size, *scores = y + y_size, *split = scores + a.columns;
    const auto [first, last] = team.share(a.rows * a.kv_heads);
    for (int64_t item = first; item < last; ++item) {
      const int64_t b = item / a.kv_heads, g = item % a.kv_heads;
      const int64_t column = ((a.shared ? 0 : b) * a.kv_heads + g) * a.columns;
      widen_row(a.scalar, q_size, at(a.q_BHE, (b * a.heads + g * group) * a.key_size), q);
      attend({.heads = group,
              .key_size = a.key_size,
              .value_size = a.value_size,
              .k_SE = at(a.k_BGCE, column * a.key_size),
              .v_SE = at(values, column * value_stride),
              .key_stride = a.key_size,
              .value_stride = value_stride,
              .stored = a.stored_B[b],
              .seen_S = a.seen_BC ? a.seen_BC + b * a.columns : nullptr,
              .scale = a.scale,
              .q_HE = q,
              .scores_S = scores,
              .q_split_E = split,
              .y_HE = y});
      narrow_row(a.scalar, y_size, y, at(a.y_BHE, (b * a.heads + g * group) * a.value_size));
    }
  });
}

}  // namespace tacit
