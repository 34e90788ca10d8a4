#include "lib/memory/masked_memory.h"

#include "lib/core/error.h"

namespace tacit {

MaskedMemory::MaskedMemory(at::Tensor seen_B1TT) : seen_B1TT_(std::move(seen_B1TT)) {}

at::Tensor MaskedMemory::attend(int64_t, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                                const AttentionOptions& options) {
  require(!options.smear_G.defined(), "attend",
          "expected keys that are not smeared: a key's left neighbour may be hidden");
  return attention_for_training(q_BHTE, k_BGTE, v_BGTE, seen_B1TT_, options.scale);
}

at::Tensor MaskedMemory::state(int64_t, int64_t) const {
  fail("memory_state", "expected a layer of full attention but got one with a state, which cannot be masked");
}

void MaskedMemory::set_state(int64_t layer, int64_t which, const at::Tensor&) { state(layer, which); }

}  // namespace tacit
