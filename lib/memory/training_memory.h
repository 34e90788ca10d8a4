#pragma once

#include <span>
#include <vector>

#include "lib/memory/memory.h"

namespace tacit {

// Key/value memory that keeps the autograd graph: every segment is appended by concatenation. Prompts of different
// length are aligned at their end (padding on the left), so that the rows' thoughts share columns. A copy goes on by
// itself from where this one stands and shares what is stored. The slow, obvious path.
class TrainingMemory : public Memory {
 public:
  // begins[b]: columns of padding at the left of row b.
  TrainingMemory(int64_t layers, std::span<const int64_t> begins, at::Device device);

  // Opens a segment of `width` columns, all of them real except the left padding.  -> positions [B, width]; padding has
  // 0
  at::Tensor open(int64_t width);
  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override;
  void close();

 private:
  struct Layer {
    at::Tensor k_BGSE, v_BGSE;  // keys smeared already
    at::Tensor last_BG1E;       // the last key before smearing
  };
  std::vector<Layer> layers_;
  at::Tensor begin_B1_;  // int64
  int64_t stored_ = 0, width_ = 0;
  at::Tensor mask_B1TS_, real_B1T1_;
};

}  // namespace tacit
