#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "decoding/decode.h"
#include "decoding/strategy.h"
#include "decoding/work.h"
#include "latent/method.h"
#include "latent/session.h"

namespace tacit {

struct SolveOptions {
  int64_t max_answer_tokens = 8;
  bool keep_trace = false;        // store the thoughts
  int64_t recurrences = 0;        // SessionOptions::recurrences
  bool fused = true;              // SessionOptions::fused
  std::vector<int64_t> ids = {};  // by prompt: Session::name_rows; empty = 0, 1, ..
  Strategy strategy = {};         // greedy
  uint64_t seed = 0;              // of all that the strategy draws
  // What vote counts: the answer within the tokens, given the prompt's id; "" = none. Empty: the tokens themselves.
  std::function<std::string(int64_t id, const std::vector<int64_t>& tokens)> extract = {};
  // Whether two of these are one answer and share their votes; empty = the same text.
  std::function<bool(const std::string& a, const std::string& b)> same = {};
  AnswerComplete complete = {};                                  // as a text does that holds a stop string
  std::function<double(int64_t id, const Decoded&)> score = {};  // what best compares; empty = likelihood
  ThoughtValue value = {};                                       // what tree compares; empty = its own
};

// Wall-clock of one call, milliseconds, all rows together.
struct PhaseTimes {
  double prefill = 0, think = 0, answer = 0;  // the answer marker counts to the answer
  double total() const { return prefill + think + answer; }
};

// A choice as the answer, after the prompt, the thoughts and the answer marker (decoding/choice.h).
struct ChoiceLikelihood {
  double log_probability = 0;  // nats, summed over its tokens
  int64_t tokens = 0;
};

struct Solution {
  Thoughts thoughts;
  std::vector<Decoded> answers;                        // by row
  std::vector<std::vector<ChoiceLikelihood>> choices;  // by row, where choices are compared instead of decoding
  // By row, mean over its positions of the recurrence after which each left; empty where none leaves early.
  std::vector<double> mean_exits;
  PhaseTimes ms;
  // Where an answer took more than these thoughts and these tokens: vote, best, beam, tree, contrast.
  std::optional<WorkDone> work;
  std::vector<AnswerVotes> votes;  // of vote: how many samples gave each answer
};

// Positions that a prompt of this many tokens may come to need: suffix, thoughts, answer marker and answer at their
// longest.
int64_t positions_needed(const Procedure& procedure, int64_t prompt_tokens, const SolveOptions& options = {});

// Tokens that an answer may take.
int64_t answer_tokens(const Procedure& procedure, const SolveOptions& options);
// A session that the procedure can think in.
SessionOptions session_options(const Procedure& procedure, const SolveOptions& options, int64_t rows, int64_t capacity);
// Mean of Session::exits(row); of nothing 0.
double mean_exit(const Session& session, int64_t row);
// Its thoughts, one after the other or in parallel.
Thoughts think_of(Session& session, const Procedure& procedure, bool keep_trace);

// The same for the longest of these prompts. Fails when that exceeds the model's positions.
int64_t capacity_needed(const Transformer& model, const Procedure& procedure, const TokenRows& prompts,
                        const SolveOptions& options);
// Each prompt with the procedure's suffix. Fails where one is empty.
TokenRows with_suffix(const Procedure& procedure, TokenRows prompts);

// Question -> thoughts -> answer for a batch of prompts (token ids, without the procedure's suffix): prefill, think,
// feed the answer marker, decode by the strategy. One that does not go by rows takes one prompt a call. The session is
// sized to fit; fails when that exceeds the model's positions.
Solution solve(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
               const SolveOptions& options = {});

}  // namespace tacit
