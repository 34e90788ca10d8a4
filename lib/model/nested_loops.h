#pragma once

#include <functional>

#include "lib/model/layers.h"

namespace tacit {

// A grid as every update of the two states reads it: S = prefix + T positions.
struct Grid {
  at::Tensor input_BSD;
  at::Tensor position_BS;  // int64; the prefix stands at 0, 1, .., the grid after it
  at::Tensor real_BS;      // bool; undefined = all
};

// zH, the answer as it stands, and zL, the latent it is reasoned with.
struct NestedState {
  at::Tensor high_BSD, low_BSD;
};

// Nested loops [TRM, arXiv:2510.04871]: one step of deep supervision is high_cycles times (low_cycles times
// zL <- stack(zL + zH + input), then zH <- stack(zH + zL)), `stack` being the model's blocks.
class NestedLoops {
 public:
  NestedLoops() = default;  // of a model of another kind
  NestedLoops(const ModelConfig& config, const TakeWeight& take);

  // The learned prefix before the grid's vectors x [B, T, D] at positions [B, T].
  Grid with_prefix(const at::Tensor& x_BTD, const at::Tensor& position_BT, const at::Tensor& real_BT) const;
  at::Tensor without_prefix(const at::Tensor& z_BSD) const;
  // At the first position that is real: the prefix's, where there is one.  -> [B, D]
  at::Tensor first(const at::Tensor& z_BSD, const Grid& grid) const;
  NestedState start(const Grid& grid) const;
  // Only the last of the high cycles carries gradient, none comes through `state`.
  using Stack = std::function<at::Tensor(const at::Tensor& z_BSD)>;
  NestedState step(const NestedState& state, const Grid& grid, const Stack& stack) const;

 private:
  NestedConfig config_;
  double scale_ = 1;           // of embeddings
  at::Tensor prefix_;          // [prefix_values]; undefined without prefix
  at::Tensor high_D_, low_D_;  // constants
};

}  // namespace tacit
