#pragma once

#include <memory>
#include <vector>

#include "decoding/solve.h"
#include "decoding/stopwatch.h"

namespace tacit {

// The procedure whose rows draw what the strategy draws: words, and noise on thoughts.
Procedure drawing(const Procedure& procedure, const SolveOptions& options);
// Prefills a session with these prompts (with the suffix), thinks and feeds the answer marker: the session is left
// where the answers begin. Thoughts and times go to `solution`; `watch` goes on from there.
Session begin_answers(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                      const TokenRows& prompts, int64_t capacity, const SolveOptions& options, Solution& solution,
                      Stopwatch& watch);
// By row, as Solution has them.
std::vector<double> mean_exits(const Session& session, const Procedure& procedure);
// One row of what many thought.
Thoughts row_of(const Thoughts& thoughts, int64_t row);
// What decode() does by the strategy, of those that go by rows.
DecodeOptions decode_options(const Procedure& procedure, const SolveOptions& options);

// solve() for one prompt (with the suffix) of a problem called `id` by a strategy that does not go by rows. The prompt
// is computed once and forked.
Solution solve_one(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                   const std::vector<int64_t>& prompt, int64_t id, int64_t capacity, const SolveOptions& options);

}  // namespace tacit
