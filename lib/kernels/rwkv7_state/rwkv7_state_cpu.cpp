#include "lib/kernels/rwkv7_state/rwkv7_state_cpu.h"
#include "lib/kernels/team.h"

#include <algorithm>

namespace tacit {
namespace {

template <bool kWhole>
[[gnu::always_inline]] inline void run_head(const Rwkv7StateArgs& a, int64_t b, int64_t h) {
  const int64_t matrix = a.size * a.size, head = b * a.heads + h;
  const int64_t kept = a.checkpoints_BHNEE ? (a.columns + a.checkpoint_every - 1) / a.checkpoint_every : 0;
  float* state = a.state_BHEE + head * matrix;
  for (int64_t t = 0; t < a.columns; ++t) {
    if (kept > 0 && t % a.checkpoint_every == 0) {
      std::copy_n(state, matrix, a.checkpoints_BHNEE + (head * kept + t / a.checkpoint_every) * matrix);
    }
    const int64_t offset = rwkv7::column_offset(a, b, t, h);
    if (a.real_BT && !a.real_BT[b * a.columns + t]) {
      std::fill_n(a.y_BTHE + offset, a.size, 0.0f);
      continue;
    }
    rwkv7::advance<kWhole>(state, state, rwkv7::Column(a, offset), a.size, a.y_BTHE + offset);
  }
}

TACIT_CPU_CLONES void run_heads(const Rwkv7StateArgs& a, int64_t begin, int64_t end) {
  for (int64_t head = begin; head < end; ++head) {
    if (a.size % kLanes == 0) {
      run_head<true>(a, head / a.heads, head % a.heads);
    } else {
      run_head<false>(a, head / a.heads, head % a.heads);
    }
  }
}

}  // namespace

void rwkv7_state_cpu(const Rwkv7StateArgs& a) {
  constexpr int64_t kWorthAThread = 32768;  // elements of states passed
  const int64_t grain = std::max<int64_t>(1, kWorthAThread / (a.columns * a.size * a.size));
  parallel_parts(0, a.rows * a.heads, grain, [&](int64_t begin, int64_t end) { run_heads(a, begin, end); });
}

}  // namespace tacit
