#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "datasets/example.h"

namespace tacit {

// Accuracy of a rule that never looks for a path, on graph examples. Ties count one half.
struct Heuristic {
  std::string name;     // "lower in-degree", "first candidate", "mentioned last", ..
  std::string rule;     // one sentence
  double accuracy = 0;  // 0..1
  int64_t decided = 0;  // examples on which the rule prefers one candidate
};

struct Audit {
  int64_t examples = 0;
  int64_t duplicates = 0;                                 // examples whose question text occurred before
  std::vector<std::pair<int64_t, int64_t>> depth_counts;  // (distance of the target, examples)
  double mean_nodes = 0, mean_edges = 0;
  int64_t min_nodes = 0, max_nodes = 0, min_edges = 0, max_edges = 0;
  std::vector<double> mean_frontier;  // nodes at distance k+1, averaged
  std::vector<Heuristic> heuristics;  // in a fixed order
};

// Works on examples whose meta has the keys of datasets/reach.h. Fails naming the example otherwise.
Audit audit_reach(const std::vector<Example>& examples);
OrderedJson to_json(const Audit& audit);

}  // namespace tacit
