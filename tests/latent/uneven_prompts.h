#pragma once

#include "latent/session.h"
#include "lib/core/rng.h"

namespace tacit::test {

// Rows of 1 to `longest` tokens.
inline TokenRows uneven_prompts(Rng& rng, int64_t rows, int64_t vocab, int64_t longest) {
  TokenRows out(rows);
  for (auto& row : out) {
    row.resize(rng.between(1, longest));
    for (int64_t& id : row) id = rng.below(vocab);
  }
  return out;
}

}  // namespace tacit::test
