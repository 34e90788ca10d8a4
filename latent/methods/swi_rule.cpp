#include "latent/methods/swi_rule.h"

namespace tacit {

SwiTurn swi_step(SwiState& state, double entropy, const SwiRule& rule) {
  if (rule.max_blocks == 0) {
    state.begun = state.words = true;
    return SwiTurn::none;
  }
  if (!state.begun) {
    state.begun = true;
    state.reference = entropy;
    return SwiTurn::none;
  }
  ++state.stay;
  const bool to_words = !state.words && entropy < state.reference;
  const bool to_latent = state.words && entropy > state.reference && state.stay >= rule.window;
  if (!to_words && !to_latent) return SwiTurn::none;
  state.words = to_words;
  state.stay = 0;
  state.reference = entropy;
  state.blocks += to_words;
  return to_words ? SwiTurn::to_words : SwiTurn::to_latent;
}

}  // namespace tacit
