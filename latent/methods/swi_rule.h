#pragma once

#include <cstdint>

namespace tacit {

// When a chain of thought leaves words for latent thoughts and returns [SwiReasoning, arXiv:2510.05069, section 3.2]:
// by the entropy of the next token against that at the last switch.
struct SwiRule {
  int64_t window = 512;  // words that must be written before the chain may turn latent again
  // Latent blocks that a chain may leave; when it has left the last of them, thinking ends. -1 = any number, 0 = words
  // alone.
  int64_t max_blocks = -1;
};

enum class SwiTurn { none, to_words, to_latent };

// Of one chain.
struct SwiState {
  bool begun = false;
  bool words = false;    // explicit mode; a chain begins latent
  int64_t stay = 0;      // steps since the last switch
  double reference = 0;  // entropy at the last switch, nats
  int64_t blocks = 0;    // latent blocks left
};

// Takes in the entropy of the next step. Latent -> words as soon as it falls below the reference, words -> latent when
// it rises above it and the window has passed; either makes it the reference.  -> what turned
SwiTurn swi_step(SwiState& state, double entropy, const SwiRule& rule);

// Whether thinking ends once the step that turned has been taken.
inline bool swi_ends(const SwiState& state, SwiTurn turn, const SwiRule& rule) {
  return turn == SwiTurn::to_words && rule.max_blocks >= 0 && state.blocks >= rule.max_blocks;
}

}  // namespace tacit
