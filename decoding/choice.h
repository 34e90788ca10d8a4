#pragma once

#include <memory>
#include <vector>

#include "decoding/scheduler.h"
#include "decoding/solve.h"

namespace tacit {

// Multiple choice by likelihood: question -> thoughts -> answer marker, and then, instead of decoding, the log
// probability of every choice as what follows. Each choice is fed to a copy of the row, so what it gets is what
// `tacit score` gives its tokens behind the same text. choices[b]: the token ids of row b's choices, in order.
//
// -> thoughts and Solution::choices by row; answers[b] holds the tokens of the likeliest choice.
// Fails where solve() would, on a row without choices, on an empty choice, and for a model that reads its input at
// once.
Solution choose(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
                const std::vector<TokenRows>& choices, const SolveOptions& options = {});

// The same for many, options.rows prompts at a time, in order; of a batch's time each problem counts an equal share.
// -> whether all were solved: false when on_solved stopped it.
bool choose_all(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
                const std::vector<TokenRows>& choices, const ScheduleOptions& options, const OnSolved& on_solved);

// The place of the largest sum of log probabilities, the first among equals. Fails on none.
int64_t likeliest_choice(const std::vector<ChoiceLikelihood>& choices);

// Positions that a row may come to need.
int64_t choice_positions_needed(const Procedure& procedure, int64_t prompt_tokens, const TokenRows& choices);

}  // namespace tacit
