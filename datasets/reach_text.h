#pragma once

#include <string>
#include <utility>
#include <vector>

#include "datasets/reach.h"

namespace tacit {

// Streams of one seed: an example, a walk and a rendering of the same index share no draw.
enum ReachStream : uint32_t { kExampleStream = 0, kWalkStream = 1, kProsqaStream = 2 };

void check_reach_options(const ReachOptions& options, const char* operation);

// label[node]: `nodes` different words out of 0..labels-1, uniformly.
std::vector<int64_t> draw_labels(int64_t nodes, int64_t labels, Rng& rng);

// "17 3 | 5 17 |"
std::string symbol_edges(const std::vector<std::pair<int64_t, int64_t>>& edges, const std::vector<int64_t>& label);

// The meta of datasets/reach.h. `words[node]` is the node's label, `order[node]` its place when labels are sorted.
OrderedJson reach_meta(const GraphProblem& problem, const std::vector<std::string>& words,
                       const std::vector<int64_t>& order, bool target_first);

// That meta read back and checked: a graph problem, a label for every node, its two candidates. Fails with `operation`,
// naming the field and `source`.
struct ReachMeta {
  GraphProblem problem;
  std::vector<std::string> labels;      // of node i
  std::vector<std::string> candidates;  // in the question's order
  bool target_first = false;
};
ReachMeta read_reach_meta(const Example& example, const std::string& operation, const std::string& source);

// Places of words in alphabetical order.
std::vector<int64_t> alphabetical(const std::vector<std::string>& words);

}  // namespace tacit
