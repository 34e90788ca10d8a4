#pragma once

#include "lib/memory/memory.h"

namespace tacit {

// Of a grid that is read at once: every position sees every one that is real, and nothing is kept.
class GridMemory : public Memory {
 public:
  // real [B, S] bool; undefined = all.
  GridMemory(at::Tensor real_BS, int64_t rows, int64_t positions, at::Device device);

  at::Tensor attend(int64_t layer, const at::Tensor& q_BHSE, const at::Tensor& k_BGSE, const at::Tensor& v_BGSE,
                    const AttentionOptions& options) override;
  at::Tensor state(int64_t layer, int64_t which) const override;
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override;
  at::Tensor real_BT() const override { return real_BS_; }

 private:
  at::Tensor real_BS_, mask_B1SS_;
};

}  // namespace tacit
