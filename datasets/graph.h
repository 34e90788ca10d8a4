#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "lib/core/json.h"
#include "lib/core/rng.h"

namespace tacit {

// A reachability problem: which of two candidate nodes can be reached from `root`? Exactly one can.
struct GraphProblem {
  int64_t nodes = 0;                               // ids 0..nodes-1
  std::vector<std::pair<int64_t, int64_t>> edges;  // directed, no duplicates, no self-loops
  int64_t root = 0;
  int64_t target = 0;      // reachable
  int64_t neg_target = 0;  // not reachable
};

// Distance in edges from the root to every node; -1 where there is no path.
std::vector<int64_t> distances(const GraphProblem& problem);
// levels[k] = ids at distance k+1 in ascending order, for k in [0, max_depth); empty levels kept.
std::vector<std::vector<int64_t>> frontiers(const GraphProblem& problem, int64_t max_depth);
// Nodes after the root on one shortest path to the target. Each step is drawn uniformly among the neighbours from which
// the target is one edge nearer.
std::vector<int64_t> shortest_path(const GraphProblem& problem, Rng& rng);

OrderedJson to_json(const GraphProblem& problem);
// Fails unless all of the above holds, the target included.
GraphProblem graph_from_json(const Json& json, const std::string& operation, const std::string& source);

enum class GraphKind {
  // ProsQA's growing DAG with two roots, nodes 0 and 1 [Coconut, arXiv:2412.06769, appendix A]; edges lead from lower
  // to higher ids, nodes without edges are left out, both candidates are nodes without outgoing edges: as in the
  // published files. Root and depth are drawn together among all pairs that the graph offers.
  prosqa,
  random,  // edges drawn uniformly, cycles allowed
};

struct GraphOptions {
  GraphKind kind = GraphKind::prosqa;
  int64_t min_nodes = 17, max_nodes = 28;  // node count drawn uniformly from this range; ProsQA has 17..28
  double edges_per_node = 1.6;             // kind random: edges = round(edges_per_node * nodes); kind prosqa ignores it
  int64_t min_depth = 3, max_depth = 6;    // distance of the target; drawn uniformly among those that the graph offers
  bool acyclic = false;                    // kind random: only edges from a lower to a higher place in a hidden order
  bool balance_in_degree = true;           // candidates have the same in- and out-degree: counting edges gains nothing
};

// Draws the number of nodes, then graphs of that size until one fits. Fails when 10,000 in a row do not fit.
GraphProblem generate_graph(const GraphOptions& options, Rng& rng);

}  // namespace tacit
