#pragma once

#include <optional>
#include <string>
#include <vector>

#include "datasets/example.h"
#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

// A reachability question with one edge led elsewhere, so that the other candidate is the one that the root reaches:
// same labels, order of edges and candidates, the answer alone is another. Among all such edges those that keep the
// target's distance, where there are any, then those that bring it nearest to it; drawn by `seed` and `stream`. In
// English an edge is led to a concept only, for no name can be reached. Empty where no single edge does it. Fails on
// examples without a graph.
std::optional<Example> edge_counterfactual(const Example& example, uint64_t seed, uint64_t stream);

// The procedure, fed the clean thoughts `fed_KD[id]` of another question in place of its own, as many as there are.
// Fails for procedures that think in parallel.
Procedure with_thoughts(Procedure procedure, std::vector<at::Tensor> fed_KD);

// What an answer follows. Each pair is a question and its counterfactual; an answer is that of the one, of the other,
// or neither.
// 1. Does the answer follow the changed edge? (asked of pairs whose first question is solved)  [arXiv:2607.06648]
// 2. With the other question's thoughts: does it follow the thought or the question? [arXiv:2512.21711 swaps between
//    unrelated problems; here both have the same candidates]
ProbeReport probe_counterfactual(const LoadedModel& model, const RunOptions& run);

}  // namespace tacit::probe
