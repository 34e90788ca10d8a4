#include "lib/memory/grid_memory.h"

#include <ATen/core/grad_mode.h>

#include "lib/core/error.h"

namespace tacit {

GridMemory::GridMemory(at::Tensor real_BS, int64_t rows, int64_t positions, at::Device device)
    : real_BS_(std::move(real_BS)) {
  const auto options = at::TensorOptions().dtype(at::kBool).device(device);
  if (!real_BS_.defined()) {
    mask_B1SS_ = at::ones({1, 1, 1, 1}, options).expand({rows, 1, positions, positions});
    return;
  }
  // A position sees itself too, lest the softmax of a row that holds nothing be over nothing.
  mask_B1SS_ = real_BS_.view({rows, 1, 1, positions}) | at::eye(positions, options);
}

at::Tensor GridMemory::attend(int64_t, const at::Tensor& q_BHSE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                              const AttentionOptions& options) {
  require(!options.smear_G.defined(), "attend", "expected keys that are not smeared: a grid has no left neighbour");
  const auto found = at::GradMode::is_enabled() ? attention_for_training : attention;
  return found(q_BHSE, k_BGSE, v_BGSE, mask_B1SS_, options.scale);
}

at::Tensor GridMemory::state(int64_t, int64_t) const {
  fail("memory_state", "expected a layer with a state but got one that reads a grid at once");
}

void GridMemory::set_state(int64_t layer, int64_t which, const at::Tensor&) { state(layer, which); }

}  // namespace tacit
