#include "lib/memory/training_memory.h"

#include <algorithm>

namespace tacit {

TrainingMemory::TrainingMemory(MemoryLayout layout, std::span<const int64_t> begins, at::Device device)
    : layout_(std::move(layout)), layers_(layout_.size()) {
  begin_B1_ = at::tensor(at::ArrayRef<int64_t>(begins.data(), begins.size()), at::kLong).to(device).view({-1, 1});
  for (const int64_t begin : begins) most_padding_ = std::max(most_padding_, begin);
  for (size_t layer = 0; layer < layers_.size(); ++layer) layers_[layer].states.resize(layout_[layer].states.size());
}

at::Tensor TrainingMemory::open(int64_t width) {
  width_ = width;
  column_T_ = at::arange(stored_, stored_ + width, begin_B1_.options());
  column_S_ = at::arange(stored_ + width, begin_B1_.options());
  const at::Tensor causal_1TS = (column_S_.unsqueeze(0) <= column_T_.unsqueeze(1)).unsqueeze(0);
  const at::Tensor own_1TS = (column_S_.unsqueeze(0) == column_T_.unsqueeze(1)).unsqueeze(0);
  // Padding sees itself, lest its softmax be over nothing; nobody sees padding.
  const at::Tensor real_B1S = (column_S_.unsqueeze(0) >= begin_B1_).unsqueeze(1);
  mask_B1TS_ = ((causal_1TS & real_B1S) | own_1TS).unsqueeze(1);
  real_BT_ = column_T_.unsqueeze(0) >= begin_B1_;
  return (column_T_.unsqueeze(0) - begin_B1_).clamp_min(0);
}

at::Tensor TrainingMemory::attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE,
                                  const at::Tensor& v_BGTE, const AttentionOptions& options) {
  Layer& memory = layers_[layer];
  const MemoryLayer& layout = layout_[layer];
  at::Tensor k = k_BGTE;
  if (options.smear_G.defined()) {
    // A padding key is zero, so that the first real key is smeared with nothing, as in a memory without padding.
    if (stored_ < most_padding_) k = k * real_BT_.unsqueeze(1).unsqueeze(3).to(k.scalar_type());
    const at::Tensor before = stored_ == 0 ? at::zeros_like(k.narrow(2, 0, 1)) : memory.last_BG1E;
    memory.last_BG1E = k.narrow(2, k.size(2) - 1, 1);
    k = smear(k, left_neighbours(k, before), options.smear_G);
  }
  memory.k_BGSE = stored_ == 0 ? k : at::cat({memory.k_BGSE, k}, 2);
  if (layout.values_in_keys) {
    memory.v_BGSE = memory.k_BGSE.narrow(3, 0, layout.value_size);
  } else {
    memory.v_BGSE = stored_ == 0 ? v_BGTE : at::cat({memory.v_BGSE, v_BGTE}, 2);
  }
  at::Tensor mask_B1TS = mask_B1TS_;
  if (layout.kind == MemoryLayer::Kind::window) {
    mask_B1TS = mask_B1TS & (column_S_.unsqueeze(0) > column_T_.unsqueeze(1) - layout.window).view({1, 1, width_, -1});
  }
  return attention_for_training(q_BHTE, memory.k_BGSE, memory.v_BGSE, mask_B1TS, options.scale);
}

at::Tensor TrainingMemory::state(int64_t layer, int64_t which) const {
  const at::Tensor& held = layers_[layer].states.at(which);
  if (held.defined()) return held;
  std::vector<int64_t> sizes = {begin_B1_.size(0)};
  const std::vector<int64_t>& shape = layout_[layer].states[which];
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return at::zeros(sizes, begin_B1_.options().dtype(at::kFloat));
}

void TrainingMemory::set_state(int64_t layer, int64_t which, const at::Tensor& value) {
  layers_[layer].states.at(which) = value;
}

at::Tensor TrainingMemory::real_BT() const { return stored_ < most_padding_ ? real_BT_ : at::Tensor(); }

void TrainingMemory::close() { stored_ += width_; }

}  // namespace tacit
