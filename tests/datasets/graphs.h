#pragma once

#include <string>
#include <vector>

#include "datasets/reach.h"

namespace tacit::test {

// 0 -> {1, 2} -> 3 -> 4, and 5 -> 6 out of reach.
inline GraphProblem diamond() { return {7, {{0, 1}, {0, 2}, {1, 3}, {2, 3}, {3, 4}, {5, 6}}, 0, 4, 6}; }

struct NamedOptions {
  std::string name;
  GraphOptions graph;
};

// One of every kind, at sizes that training uses.
inline std::vector<NamedOptions> graph_options() {
  GraphOptions unbalanced;
  unbalanced.balance_in_degree = false;
  GraphOptions loose = {GraphKind::random, 10, 14, 1.6, 2, 4};
  loose.balance_in_degree = false;
  GraphOptions acyclic = {GraphKind::random, 12, 12, 1.5, 1, 6};
  acyclic.acyclic = true;
  return {{"prosqa", {}},
          {"prosqa, unbalanced", unbalanced},
          {"prosqa, small", {GraphKind::prosqa, 6, 8, 1.6, 1, 3}},
          {"random", {GraphKind::random, 17, 28, 1.6, 3, 6}},
          {"random, unbalanced", loose},
          {"random, acyclic", acyclic},
          {"random, dense", {GraphKind::random, 10, 12, 2.2, 1, 2}}};
}

}  // namespace tacit::test
