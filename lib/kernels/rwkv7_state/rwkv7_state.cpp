#include "lib/kernels/rwkv7_state/rwkv7_state.h"

#include <string_view>

#include "lib/core/error.h"
#include "lib/kernels/require_arrays.h"

namespace tacit {
namespace {

constexpr std::string_view kForward = "rwkv7_state", kBackward = "rwkv7_state_backward";

bool check_inputs(std::string_view operation, const Rwkv7StateArgs& a) {
  require(a.rows >= 0 && a.columns >= 0 && a.heads >= 1 && a.size >= 1, operation,
          "expected inputs of at least 0 rows and columns, 1 head and size 1 but got [", a.rows, ", ", a.columns, ", ",
          a.heads, ", ", a.size, "]");
  require(!a.checkpoints_BHNEE || a.checkpoint_every >= 1, operation,
          "expected a checkpoint every 1 or more columns but got ", a.checkpoint_every);
  if (a.rows == 0 || a.columns == 0) return false;
  require_arrays(operation, {{"receptance_BTHE", a.receptance_BTHE},
                             {"decay_BTHE", a.decay_BTHE},
                             {"key_BTHE", a.key_BTHE},
                             {"value_BTHE", a.value_BTHE},
                             {"removed_BTHE", a.removed_BTHE},
                             {"rate_removed_BTHE", a.rate_removed_BTHE}});
  return true;
}

}  // namespace

void rwkv7_state(const Rwkv7StateArgs& args, const Place& place) {
  if (!check_inputs(kForward, args)) return;
  require_arrays(kForward, {{"state_BHEE", args.state_BHEE}, {"y_BTHE", args.y_BTHE}});
  switch (place.device) {
    case DeviceKind::cpu: return rwkv7_state_cpu(args);
    case DeviceKind::cuda:
      require(!args.checkpoints_BHNEE, kForward, "expected no checkpoints on cuda");
      return rwkv7_state_cuda(args, place.stream);
  }
}

void rwkv7_state_backward(const Rwkv7StateBackwardArgs& args, const Place& place) {
  require(place.device == DeviceKind::cpu, kBackward, "expected the cpu: there is no version for cuda");
  if (!check_inputs(kBackward, args.forward)) return;
  require_arrays(kBackward, {{"checkpoints_BHNEE", args.forward.checkpoints_BHNEE},
                             {"d_y_BTHE", args.d_y_BTHE},
                             {"d_receptance_BTHE", args.d_receptance_BTHE},
                             {"d_decay_BTHE", args.d_decay_BTHE},
                             {"d_key_BTHE", args.d_key_BTHE},
                             {"d_value_BTHE", args.d_value_BTHE},
                             {"d_removed_BTHE", args.d_removed_BTHE},
                             {"d_rate_removed_BTHE", args.d_rate_removed_BTHE},
                             {"d_first_state_BHEE", args.d_first_state_BHEE}});
  rwkv7_state_backward_cpu(args);
}

}  // namespace tacit
