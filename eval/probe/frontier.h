#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

// How much of a readout lies on a set of nodes.
struct FrontierScore {
  double mass = 0;    // of the softmax over the whole vocabulary
  double share = 0;   // mass on the set / mass on all nodes of the graph
  double chance = 0;  // of `share`: the set's share of the nodes
  double auc = 0;     // probability that a node of the set has the larger logit than another node, ties half; chance .5
};
// logits of the vocabulary; `set` and `others` are token ids that share none, neither empty.
FrontierScore frontier_score(std::span<const double> logits_V, std::span<const int64_t> set,
                             std::span<const int64_t> others);

// Whether thought k holds the search frontier, the nodes k edges from the root ["level"], or all nodes within k edges
// ["explored"]: superposition [arXiv:2505.12514]. On tasks whose examples carry a graph and whose nodes are single
// tokens. The controls say what of it is there without the model's own thoughts [arXiv:2606.12689].
ProbeReport probe_frontier(const LoadedModel& model, const RunOptions& run);

}  // namespace tacit::probe
