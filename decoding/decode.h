#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "latent/session.h"

namespace tacit {

struct DecodeOptions {
  int64_t max_tokens = 16;                 // upper bound on tokens a row; 0 decodes nothing
  std::optional<int64_t> stop_token = {};  // ends a row; neither returned nor fed; empty = only max_tokens ends it
};

struct Decoded {
  std::vector<int64_t> tokens;
  bool stopped = false;  // by the stop token
};

// Greedy decoding: the most likely token (the lowest id among equals) is fed until the stop token would follow.
// Every returned token has been fed to the session, but for that of a model that reads its input at once, which gives
// one at most. One result a row.
std::vector<Decoded> decode(Session& session, const DecodeOptions& options = {});

}  // namespace tacit
