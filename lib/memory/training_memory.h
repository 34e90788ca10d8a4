#pragma once

#include <span>
#include <vector>

#include "lib/memory/layout.h"
#include "lib/memory/memory.h"

namespace tacit {

// Memory that keeps the autograd graph: every segment's keys and values are appended by concatenation, a state is
// replaced. Prompts of different length are aligned at their end (padding on the left), so that the rows' thoughts
// share columns. A copy goes on by itself from where this one stands and shares what is stored. The slow, obvious path.
class TrainingMemory : public Memory {
 public:
  // begins[b]: columns of padding at the left of row b.
  TrainingMemory(MemoryLayout layout, std::span<const int64_t> begins, at::Device device);

  // Opens a segment of `width` columns, all of them real except the left padding.  -> positions [B, width]; padding has
  // 0
  at::Tensor open(int64_t width);
  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override;
  at::Tensor state(int64_t layer, int64_t which) const override;
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override;
  at::Tensor real_BT() const override;
  void close();

 private:
  struct Layer {
    at::Tensor k_BGSE, v_BGSE;       // keys smeared already
    at::Tensor last_BG1E;            // the last key before smearing
    std::vector<at::Tensor> states;  // undefined before the first segment
  };
  MemoryLayout layout_;
  std::vector<Layer> layers_;
  at::Tensor begin_B1_;  // int64
  int64_t most_padding_ = 0;
  int64_t stored_ = 0, width_ = 0;
  at::Tensor column_S_, column_T_, mask_B1TS_, real_BT_;
};

}  // namespace tacit
