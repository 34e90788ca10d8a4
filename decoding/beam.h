#pragma once

#include <cstdint>
#include <vector>

#include "decoding/decode.h"
#include "decoding/work.h"
#include "latent/session.h"

namespace tacit {

struct BeamOptions {
  int64_t width = 4;          // beams that go on, and the most that are returned
  double length_penalty = 1;  // a finished beam's score is log p / length^penalty; 0 = log p itself
};

struct Beam {
  std::vector<int64_t> tokens;  // without the stop token
  bool stopped = false;         // by the stop token
  double log_prob = 0;          // of the tokens, the stop token included
  double score = 0;             // log_prob / (tokens, the stop token included)^length_penalty
};

// Beam search behind the session's one row, whose memory every beam copies; best score first, at most `width`. The
// rules are those of transformers' generate(num_beams = width, early_stopping = False): of the (1 + stop tokens) *
// width likeliest, at least 2 * width, continuations the first `width` may finish, by the stop token or at max_tokens,
// and the likeliest `width` others go on; it ends when `width` have finished and the likeliest that goes on would, at
// its present length, not beat the worst of them. Of equal continuations the earlier beam's, then the lower token.
// `work`, if given, gains what was run. A beam that `complete` calls so may finish as by the stop token; its last token
// counts to its length.
std::vector<Beam> beam_search(const Session& session, const BeamOptions& options, int64_t max_tokens,
                              const StopTokens& stop_tokens, WorkDone* work = nullptr,
                              const AnswerComplete& complete = {});

}  // namespace tacit
