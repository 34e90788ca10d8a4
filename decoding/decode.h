#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "decoding/sampling.h"
#include "latent/session.h"
#include "latent/stop_tokens.h"

namespace tacit {

// Whether an answer's tokens hold all that will be read of it, so that none need follow; empty = never. Asked after
// every token.
using AnswerComplete = std::function<bool(const std::vector<int64_t>& tokens)>;

struct DecodeOptions {
  int64_t max_tokens = 16;      // upper bound on tokens a row; 0 decodes nothing
  StopTokens stop_tokens = {};  // end a row; neither returned nor fed; empty = only max_tokens ends it
  SamplingOptions sampling = {.temperature = 0};  // temperature 0 = greedy
  uint64_t seed = 0;                              // of what is drawn (answer_rng)
  bool keep_log_probs = false;
  AnswerComplete complete = {};  // ends a row behind the token that completes it
};

struct Decoded {
  std::vector<int64_t> tokens;
  bool stopped = false;  // by a stop token
  // With keep_log_probs: of each token, then of the stop token that ended the row, the model's own (TokenChoice).
  std::vector<double> log_probs;
};

// Greedy decoding: the most likely token (the lowest id among equals) is fed until the stop token would follow. With a
// temperature above 0 tokens are drawn: a row's draws depend on its name and on the tokens' numbers alone. Every
// returned token has been fed to the session, but for that of a model that reads its input at once, which gives one at
// most. One result a row.
std::vector<Decoded> decode(Session& session, const DecodeOptions& options = {});

}  // namespace tacit
