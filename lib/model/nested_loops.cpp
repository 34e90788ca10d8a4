#include "lib/model/nested_loops.h"

#include <ATen/core/grad_mode.h>

namespace tacit {

NestedLoops::NestedLoops(const ModelConfig& c, const TakeWeight& take) : config_(c.nested), scale_(c.embedding_scale) {
  if (config_.prefix > 0) prefix_ = take("prefix", {config_.prefix_values});
  high_D_ = take("high_start", {c.hidden_size});
  low_D_ = take("low_start", {c.hidden_size});
}

Grid NestedLoops::with_prefix(const at::Tensor& x_BTD, const at::Tensor& position_BT, const at::Tensor& real_BT) const {
  const int64_t P = config_.prefix, B = x_BTD.size(0), D = x_BTD.size(2);
  if (P == 0) return {x_BTD, position_BT, real_BT};
  const at::Tensor filled_1PD = at::constant_pad_nd(prefix_, {0, P * D - config_.prefix_values}).view({1, P, D});
  const at::Tensor prefix_BPD = (filled_1PD * scale_).expand({B, P, D});
  const at::Tensor first_BP = at::arange(P, position_BT.options()).unsqueeze(0).expand({B, P});
  Grid out{at::cat({prefix_BPD, x_BTD}, 1), at::cat({first_BP, position_BT + P}, 1), {}};
  if (real_BT.defined()) out.real_BS = at::cat({at::ones({B, P}, real_BT.options()), real_BT}, 1);
  return out;
}

at::Tensor NestedLoops::without_prefix(const at::Tensor& z_BSD) const {
  return z_BSD.narrow(1, config_.prefix, z_BSD.size(1) - config_.prefix);
}

at::Tensor NestedLoops::first(const at::Tensor& z_BSD, const Grid& grid) const {
  if (!grid.real_BS.defined()) return z_BSD.select(1, 0);
  const at::Tensor at_B = grid.real_BS.to(at::kByte).argmax(1);
  return z_BSD.gather(1, at_B.view({-1, 1, 1}).expand({-1, 1, z_BSD.size(2)})).squeeze(1);
}

NestedState NestedLoops::start(const Grid& grid) const {
  return {high_D_.expand_as(grid.input_BSD), low_D_.expand_as(grid.input_BSD)};
}

NestedState NestedLoops::step(const NestedState& state, const Grid& grid, const Stack& stack) const {
  at::Tensor high = state.high_BSD.detach(), low = state.low_BSD.detach();
  for (int64_t cycle = 1; cycle <= config_.high_cycles; ++cycle) {
    const at::AutoGradMode last_only(at::GradMode::is_enabled() && cycle == config_.high_cycles);
    for (int64_t i = 0; i < config_.low_cycles; ++i) low = stack(low + high + grid.input_BSD);
    high = stack(high + low);
  }
  return {high, low};
}

}  // namespace tacit
