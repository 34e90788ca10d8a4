#include <algorithm>
#include <cmath>
#include <optional>

#include "datasets/graph.h"
#include "datasets/graph_internal.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

using Edges = std::vector<std::pair<int64_t, int64_t>>;

// A graph that is still growing: ids in order of birth, nodes 0 and 1 are the two roots.
struct Growth {
  std::vector<int64_t> depth = {0, 0};   // smallest depth among the parents + 1; 0 without parents
  std::vector<uint8_t> label = {1, 2};   // bit 1: descends from node 0, bit 2: from node 1
  std::vector<uint8_t> linked = {1, 1};  // has an edge, or is a root
  Edges edges;
  int64_t linked_count = 2;
  std::vector<int64_t> weight, parents;  // scratch
};

constexpr uint8_t kNeither = 0, kFirst = 1, kSecond = 2;

// Draws up to Poisson(1.5) different parents into growth.parents. With probability .35 each the new node must not
// descend from node 1 or from node 0, otherwise all nodes are candidates. Weights are those of the paper, 1.5 * depth +
// 1, in hundredths: integers make the same choice on every machine. A node without parents gets nearly no weight: the
// published files hold one such node besides the roots in two graphs, a weight of 1 would give several in each.
void draw_parents(Growth& growth, Rng& rng) {
  const int64_t wanted = rng.poisson(1.5);
  const double side = rng.uniform();
  const int64_t count = static_cast<int64_t>(growth.label.size());
  int64_t total = 0, candidates = 0;
  growth.weight.assign(count, 0);
  for (int64_t node = 0; node < count; ++node) {
    const uint8_t label = growth.label[node];
    if (side < 0.7 && label != kNeither && label != (side < 0.35 ? kFirst : kSecond)) continue;
    growth.weight[node] = label == kNeither ? 2 : 150 * growth.depth[node] + 100;
    total += growth.weight[node];
    ++candidates;
  }
  growth.parents.clear();
  for (int64_t i = 0; i < std::min(wanted, candidates); ++i) {
    int64_t ticket = rng.below(total), node = 0;
    while (ticket >= growth.weight[node]) ticket -= growth.weight[node++];
    total -= growth.weight[node];
    growth.weight[node] = 0;
    growth.parents.push_back(node);
  }
}

void add_node(Growth& growth) {
  const int64_t node = static_cast<int64_t>(growth.label.size());
  int64_t depth = 0;
  uint8_t label = kNeither;
  for (const int64_t parent : growth.parents) {
    depth = depth == 0 ? growth.depth[parent] + 1 : std::min(depth, growth.depth[parent] + 1);
    label |= growth.label[parent];
    growth.linked_count += !growth.linked[parent];
    growth.linked[parent] = 1;
    growth.edges.emplace_back(parent, node);
  }
  growth.depth.push_back(depth);
  growth.label.push_back(label);
  growth.linked.push_back(!growth.parents.empty());
  growth.linked_count += !growth.parents.empty();
}

// Grows until `nodes` nodes have an edge and leaves out the rest, which no sentence would mention.
Edges draw_prosqa_edges(int64_t nodes, Rng& rng) {
  Growth growth;
  while (growth.linked_count < nodes) {
    draw_parents(growth, rng);
    int64_t gained = !growth.parents.empty();
    for (const int64_t parent : growth.parents) gained += !growth.linked[parent];
    if (growth.linked_count + gained <= nodes) add_node(growth);
  }
  std::vector<int64_t> id(growth.label.size());
  int64_t next = 0;
  for (size_t node = 0; node < id.size(); ++node) id[node] = growth.linked[node] ? next++ : -1;
  for (auto& [from, to] : growth.edges) {
    from = id[from];
    to = id[to];
  }
  return std::move(growth.edges);
}

Edges draw_random_edges(const GraphOptions& options, int64_t nodes, Rng& rng) {
  const int64_t wanted = std::llround(options.edges_per_node * static_cast<double>(nodes));
  std::vector<int64_t> position;
  if (options.acyclic) position = rng.permutation(nodes);
  std::vector<uint8_t> taken(nodes * nodes, 0);
  Edges edges;
  edges.reserve(wanted);
  while (static_cast<int64_t>(edges.size()) < wanted) {
    const int64_t from = rng.below(nodes), to = rng.below(nodes);
    if (from == to || taken[from * nodes + to]) continue;
    if (options.acyclic && position[from] > position[to]) continue;
    taken[from * nodes + to] = 1;
    edges.emplace_back(from, to);
  }
  return edges;
}

Edges draw_edges(const GraphOptions& options, int64_t nodes, Rng& rng) {
  return options.kind == GraphKind::prosqa ? draw_prosqa_edges(nodes, rng) : draw_random_edges(options, nodes, rng);
}

struct Degrees {
  std::vector<int64_t> in, out;
  explicit Degrees(const GraphProblem& problem) : in(problem.nodes, 0), out(problem.nodes, 0) {
    for (const auto& [from, to] : problem.edges) {
      ++out[from];
      ++in[to];
    }
  }
};

// Sets root, target and neg_target; false when the graph has no fitting ones. Kind prosqa draws among all pairs of root
// and depth; as in the published files both candidates are nodes without outgoing edges.
bool draw_question(const GraphOptions& options, GraphProblem& problem, Rng& rng) {
  const bool prosqa = options.kind == GraphKind::prosqa;
  const Degrees degrees(problem);
  const Adjacency graph = adjacency(problem);
  const auto eligible = [&](int64_t node) { return !prosqa || degrees.out[node] == 0; };

  struct Choice {
    int64_t root;
    std::vector<int64_t> targets;  // all at one depth
  };
  std::vector<Choice> choices;
  for (const int64_t root : prosqa ? std::vector<int64_t>{0, 1} : std::vector<int64_t>{rng.below(problem.nodes)}) {
    std::vector<std::vector<int64_t>> by_depth(std::min(options.max_depth, problem.nodes) + 1);
    const std::vector<int64_t> distance = breadth_first(graph, root);
    for (int64_t node = 0; node < problem.nodes; ++node) {
      const int64_t depth = distance[node];
      if (depth >= options.min_depth && depth <= options.max_depth && eligible(node)) by_depth[depth].push_back(node);
    }
    for (auto& targets : by_depth) {
      if (!targets.empty()) choices.push_back({root, std::move(targets)});
    }
  }
  if (choices.empty()) return false;
  const Choice& choice = rng.choice(choices);
  problem.root = choice.root;
  problem.target = rng.choice(choice.targets);

  const std::vector<int64_t> distance = breadth_first(graph, problem.root);
  std::vector<int64_t> negatives;
  for (int64_t node = 0; node < problem.nodes; ++node) {
    if (distance[node] >= 0 || degrees.in[node] == 0 || !eligible(node)) continue;
    const bool balanced =
        degrees.in[node] == degrees.in[problem.target] && degrees.out[node] == degrees.out[problem.target];
    if (balanced || !options.balance_in_degree) negatives.push_back(node);
  }
  if (negatives.empty()) return false;
  problem.neg_target = rng.choice(negatives);
  return true;
}

void check(const GraphOptions& options) {
  constexpr int64_t kMostNodes = 4096;
  const char* operation = "generate_graph";
  require(options.min_nodes >= 4 && options.min_nodes <= options.max_nodes && options.max_nodes <= kMostNodes,
          operation, "expected 4 <= min_nodes <= max_nodes <= ", kMostNodes, " but got min_nodes ", options.min_nodes,
          " and max_nodes ", options.max_nodes);
  require(options.min_depth >= 1 && options.min_depth <= options.max_depth, operation,
          "expected 1 <= min_depth <= max_depth but got min_depth ", options.min_depth, " and max_depth ",
          options.max_depth);
  if (options.kind != GraphKind::random) return;
  const double most = static_cast<double>(options.min_nodes - 1) / (options.acyclic ? 2 : 1);
  require(options.edges_per_node > 0 && options.edges_per_node <= most, operation,
          "expected edges_per_node above 0 and at most ", most, " for ", options.min_nodes, " nodes but got ",
          options.edges_per_node);
}

}  // namespace

GraphProblem draw_graph(const GraphOptions& options, Rng& rng) {
  check(options);
  GraphProblem problem;
  problem.nodes = rng.between(options.min_nodes, options.max_nodes);
  problem.edges = draw_edges(options, problem.nodes, rng);
  return problem;
}

GraphProblem generate_graph(const GraphOptions& options, Rng& rng) {
  constexpr int kDraws = 10'000;
  check(options);
  require(options.min_depth <= options.min_nodes - 2, "generate_graph", "expected a min_depth of at most ",
          options.min_nodes - 2, ", for a path and another candidate in ", options.min_nodes, " nodes, but got ",
          options.min_depth);
  GraphProblem problem;
  problem.nodes = rng.between(options.min_nodes, options.max_nodes);
  for (int draw = 0; draw < kDraws; ++draw) {
    problem.edges = draw_edges(options, problem.nodes, rng);
    if (draw_question(options, problem, rng)) return problem;
  }
  fail("generate_graph", "expected a target at distance ", options.min_depth, " to ", options.max_depth,
       " and a fitting candidate out of reach but got none in ", kDraws, " draws of a graph with ", problem.nodes,
       " nodes");
}

}  // namespace tacit
