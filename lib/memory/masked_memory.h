#pragma once

#include "lib/memory/memory.h"

namespace tacit {

// Of whole rows that are read once, whoever sees whom: nothing is kept. Differentiable; layers of full attention only.
class MaskedMemory : public Memory {
 public:
  // seen [B, 1, T, T] bool: query t sees key s. Every query must see something.
  explicit MaskedMemory(at::Tensor seen_B1TT);

  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override;
  at::Tensor state(int64_t layer, int64_t which) const override;
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override;
  at::Tensor real_BT() const override { return {}; }

 private:
  at::Tensor seen_B1TT_;
};

}  // namespace tacit
