#include "lib/kernels/rwkv7_state/rwkv7_state_reference.h"

#include <vector>

namespace tacit {

Rwkv7Found rwkv7_state_reference(const Rwkv7Columns& c, const at::Tensor& first_BHEE, const at::Tensor& real_BT) {
  // Taken apart once: the gradient of a column taken by itself would be as large as them all.
  const std::vector<at::Tensor> receptance = c.receptance_BTHE.unbind(1), decay = c.decay_BTHE.unbind(1),
                                key = c.key_BTHE.unbind(1), value = c.value_BTHE.unbind(1),
                                removed = c.removed_BTHE.unbind(1), rate_removed = c.rate_removed_BTHE.unbind(1);
  at::Tensor state_BHEE = first_BHEE;
  std::vector<at::Tensor> out;
  for (size_t t = 0; t < key.size(); ++t) {
    const auto row = [&](const std::vector<at::Tensor>& x) { return x[t].unsqueeze(-2); };
    const auto column = [&](const std::vector<at::Tensor>& x) { return x[t].unsqueeze(-1); };
    const at::Tensor stood_BHE1 = at::matmul(state_BHEE, column(removed));
    at::Tensor next = state_BHEE * row(decay) - stood_BHE1 * row(rate_removed) + column(value) * row(key);
    at::Tensor found = at::matmul(next, column(receptance)).squeeze(-1);
    if (real_BT.defined()) {
      const at::Tensor real_B = real_BT.select(1, static_cast<int64_t>(t));
      next = at::where(real_B.view({-1, 1, 1, 1}), next, state_BHEE);
      found = at::where(real_B.view({-1, 1, 1}), found, at::zeros({}, found.options()));
    }
    state_BHEE = next;
    out.push_back(found);
  }
  return {at::stack(out, 1), state_BHEE};
}

}  // namespace tacit
