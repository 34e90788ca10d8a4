#pragma once

#include <memory>
#include <vector>

#include "decoding/decode.h"
#include "latent/method.h"
#include "latent/session.h"

namespace tacit {

struct SolveOptions {
  int64_t max_answer_tokens = 8;
  bool keep_trace = false;  // store the thoughts
  int64_t recurrences = 0;  // SessionOptions::recurrences
  bool fused = true;        // SessionOptions::fused
};

// Wall-clock of one call, milliseconds, all rows together.
struct PhaseTimes {
  double prefill = 0, think = 0, answer = 0;  // the answer marker counts to the answer
  double total() const { return prefill + think + answer; }
};

struct Solution {
  Thoughts thoughts;
  std::vector<Decoded> answers;  // by row
  PhaseTimes ms;
};

// Positions that a prompt of this many tokens may come to need: suffix, thoughts, answer marker and answer at their
// longest.
int64_t positions_needed(const Procedure& procedure, int64_t prompt_tokens, const SolveOptions& options = {});

// The same for the longest of these prompts. Fails when that exceeds the model's positions.
int64_t capacity_needed(const Transformer& model, const Procedure& procedure, const TokenRows& prompts,
                        const SolveOptions& options);
// Each prompt with the procedure's suffix. Fails where one is empty.
TokenRows with_suffix(const Procedure& procedure, TokenRows prompts);

// Question -> thoughts -> answer for a batch of prompts (token ids, without the procedure's suffix): prefill, think,
// feed the answer marker, decode. The session is sized to fit; fails when that exceeds the model's positions.
Solution solve(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
               const SolveOptions& options = {});

}  // namespace tacit
