#include "lib/memory/training_memory.h"

namespace tacit {

TrainingMemory::TrainingMemory(int64_t layers, std::span<const int64_t> begins, at::Device device) : layers_(layers) {
  begin_B1_ = at::tensor(at::ArrayRef<int64_t>(begins.data(), begins.size()), at::kLong).to(device).view({-1, 1});
}

at::Tensor TrainingMemory::open(int64_t width) {
  width_ = width;
  const at::Tensor column_T = at::arange(stored_, stored_ + width, begin_B1_.options());
  const at::Tensor column_S = at::arange(stored_ + width, begin_B1_.options());
  const at::Tensor causal_1TS = (column_S.unsqueeze(0) <= column_T.unsqueeze(1)).unsqueeze(0);
  const at::Tensor own_1TS = (column_S.unsqueeze(0) == column_T.unsqueeze(1)).unsqueeze(0);
  // Padding sees itself, lest its softmax be over nothing; nobody sees padding.
  const at::Tensor real_B1S = (column_S.unsqueeze(0) >= begin_B1_).unsqueeze(1);
  mask_B1TS_ = ((causal_1TS & real_B1S) | own_1TS).unsqueeze(1);
  real_B1T1_ = (column_T.unsqueeze(0) >= begin_B1_).unsqueeze(1).unsqueeze(3);
  return (column_T.unsqueeze(0) - begin_B1_).clamp_min(0);
}

at::Tensor TrainingMemory::attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE,
                                  const at::Tensor& v_BGTE, const AttentionOptions& options) {
  Layer& memory = layers_[layer];
  at::Tensor k = k_BGTE;
  if (options.smear_G.defined()) {
    // A padding key is zero, so that the first real key is smeared with nothing, as in a memory without padding.
    if (stored_ == 0) k = k * real_B1T1_.to(k.scalar_type());
    const at::Tensor before = stored_ == 0 ? at::zeros_like(k.narrow(2, 0, 1)) : memory.last_BG1E;
    memory.last_BG1E = k.narrow(2, k.size(2) - 1, 1);
    k = smear(k, before, options.smear_G);
  }
  memory.k_BGSE = stored_ == 0 ? k : at::cat({memory.k_BGSE, k}, 2);
  memory.v_BGSE = stored_ == 0 ? v_BGTE : at::cat({memory.v_BGSE, v_BGTE}, 2);
  return attention_for_training(q_BHTE, memory.k_BGSE, memory.v_BGSE, mask_B1TS_, options.scale);
}

void TrainingMemory::close() { stored_ += width_; }

}  // namespace tacit
