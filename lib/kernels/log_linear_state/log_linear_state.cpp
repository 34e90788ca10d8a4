#include "lib/kernels/log_linear_state/log_linear_state.h"

#include "lib/core/error.h"
#include "lib/kernels/require_arrays.h"

namespace tacit {
namespace {

constexpr auto kLogLinearState = "log_linear_state";

// Fails unless the columns that count stand one behind the other, at positions that the levels reach.
void check_positions(const LogLinearStateArgs& a) {
  const int64_t most = int64_t{1} << (a.levels - 1);
  for (int64_t b = 0; b < a.rows; ++b) {
    int64_t next = -1;
    for (int64_t i = b * a.columns; i < (b + 1) * a.columns; ++i) {
      if (a.real_BT && !a.real_BT[i]) continue;
      const int64_t position = a.position_BT[i];
      require(position >= 0 && position < most, kLogLinearState, "expected positions below ", most, " (", a.levels,
              " levels) but got ", position);
      require(next < 0 || position == next, kLogLinearState, "expected position ", next, " next in row ", b,
              " but got ", position);
      next = position + 1;
    }
  }
}

}  // namespace

void log_linear_state(const LogLinearStateArgs& a, const Place& place) {
  constexpr int64_t kMaxLevels = 63;  // positions are int64
  require(a.rows >= 0 && a.columns >= 0 && a.heads >= 1 && a.size >= 1, kLogLinearState,
          "expected inputs of at least 0 rows and columns, 1 head and size 1 but got [", a.rows, ", ", a.columns, ", ",
          a.heads, ", ", a.size, "]");
  require(a.levels >= 1 && a.levels <= kMaxLevels, kLogLinearState, "expected 1 to ", kMaxLevels, " levels but got ",
          a.levels);
  if (a.rows == 0 || a.columns == 0) return;
  require_arrays(kLogLinearState, {{"query_BTHE", a.query_BTHE},
                                   {"key_BTHE", a.key_BTHE},
                                   {"value_BTHE", a.value_BTHE},
                                   {"decay_BTH", a.decay_BTH},
                                   {"weight_BTHL", a.weight_BTHL},
                                   {"position_BT", a.position_BT},
                                   {"state_BLHEE", a.state_BLHEE},
                                   {"y_BTHE", a.y_BTHE}});
  switch (place.device) {
    case DeviceKind::cpu: check_positions(a); return log_linear_state_cpu(a);
    case DeviceKind::cuda: return log_linear_state_cuda(a, place.stream);
  }
}

}  // namespace tacit
