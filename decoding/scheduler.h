#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "decoding/solve.h"

namespace tacit {

struct ScheduleOptions {
  int64_t rows = 16;  // of the running batch
  // Most tokens of a prompt that go through the model at once (>= 1; whatever reads its input at once takes all).
  int64_t prefill_chunk = 512;
  // Most prompts that do so together (>= 1): longest first, where that takes little padding. Activations are of as many
  // rows, and while they are read so is the memory. Positions that leave early are read one prompt at a time.
  int64_t prefill_rows = 16;
  int64_t shortest_prefix = 32;  // tokens; a beginning that all prompts share is computed once if it is as long as this
  SolveOptions solve;
};

// Told of a problem as soon as it is solved; `solution` has one row. Return false to stop.
using OnSolved = std::function<bool(int64_t problem, Solution solution)>;

// Solves many problems with a running batch: a row leaves when its answer is complete and the next prompt takes its
// place. Once a prompt is prefilled, all rows take their thoughts, words and answer tokens together, one a step,
// whichever phase each is in [continuous batching, Yu et al., OSDI 2022]. Every solution is that of solve() for the
// prompt alone, but for the rounding of sums that a device adds up in another order for another number of rows.
// Strategies that do not go by rows are solved problem by problem. The same call gives the same bits. Of a step's time,
// and of a prefill's, each row counts an equal share.
//
// -> whether all were solved: false when on_solved stopped it. Fails where solve() would.
bool solve_all(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
               const ScheduleOptions& options, const OnSolved& on_solved);

}  // namespace tacit
