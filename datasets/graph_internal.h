#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/graph.h"

namespace tacit {

// Neighbours of every node in the order of the edge list: those of `node` are at [first[node], first[node + 1]).
struct Adjacency {
  std::vector<int64_t> first;
  std::vector<int64_t> neighbours;
};
enum class Direction { forward, backward };
Adjacency adjacency(const GraphProblem& problem, Direction direction = Direction::forward);

// Distance in edges from `start` along the adjacency; -1 where there is no path.
std::vector<int64_t> breadth_first(const Adjacency& graph, int64_t start);

// A graph of the options' kind and size, without a question: root and candidates are 0.
GraphProblem draw_graph(const GraphOptions& options, Rng& rng);

// What is wrong with a problem from outside, to complete "expected 'field' <expectation> but got <got>".
struct GraphFault {
  std::string_view field;  // "edges", "root", "target" or "neg_target"
  std::string expectation;
  std::string got;
};
std::optional<GraphFault> find_fault(const GraphProblem& problem);

// The pairs of a JSON list [[from, to], ..]; nothing when it has another form.
std::optional<std::vector<std::pair<int64_t, int64_t>>> edges_from_json(const Json& json);

}  // namespace tacit
