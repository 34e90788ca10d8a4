#include "lib/model/state_layers.h"

#include <tuple>
#include <vector>

namespace tacit {

at::ScalarType state_dtype(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

at::Tensor shift_tokens(const at::Tensor& x_BTD, Memory& memory, int64_t layer, int64_t which) {
  const int64_t width = x_BTD.size(1);
  const at::Tensor held_B1D = memory.state(layer, which).to(x_BTD.scalar_type()).unsqueeze(1);
  const at::Tensor inputs = at::cat({held_B1D, x_BTD}, 1);  // column t + 1 is that of position t
  const at::Tensor real_BT = memory.real_BT();
  at::Tensor before_BTD = inputs.narrow(1, 0, width), last_BD = inputs.select(1, width);
  if (real_BT.defined()) {
    const auto pick = [&](const at::Tensor& column_BN) {
      return inputs.gather(1, column_BN.unsqueeze(2).expand({-1, -1, x_BTD.size(2)}));
    };
    // The column of the last token up to each position; 0 is the input held.
    const at::Tensor own_BT = real_BT * at::arange(1, width + 1, real_BT.options().dtype(at::kLong));
    const at::Tensor latest_BT = std::get<0>(own_BT.cummax(1));
    before_BTD = pick(at::cat({at::zeros_like(own_BT.narrow(1, 0, 1)), latest_BT.narrow(1, 0, width - 1)}, 1));
    last_BD = pick(latest_BT.narrow(1, width - 1, 1)).squeeze(1);
  }
  memory.set_state(layer, which, last_BD.to(state_dtype(x_BTD)));
  return before_BTD;
}

bool is_first_rwkv7(const ModelConfig& config, int64_t number) {
  for (int64_t earlier = 0; earlier < number; ++earlier) {
    if (config.layer(earlier).mixer == MixerKind::rwkv7) return false;
  }
  return true;
}

}  // namespace tacit
