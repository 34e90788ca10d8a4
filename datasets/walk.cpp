#include "datasets/graph_internal.h"
#include "datasets/reach.h"
#include "datasets/reach_text.h"
#include "lib/core/error.h"

namespace tacit {

Walk walk_example(const ReachOptions& options, uint64_t seed, int64_t index, int64_t length, bool question) {
  const char* operation = "walk_example";
  require(options.style == ReachStyle::symbols, operation, "expected style symbols but got english");
  require(length >= 1, operation, "expected a length of at least 1 word but got ", length);
  require(index >= 0, operation, "expected an index of at least 0 but got ", index);
  check_reach_options(options, operation);

  Rng rng(seed, static_cast<uint64_t>(index), kWalkStream);
  GraphProblem problem = question ? generate_graph(options.graph, rng) : draw_graph(options.graph, rng);
  const std::vector<int64_t> label = draw_labels(problem.nodes, options.labels, rng);
  rng.shuffle(problem.edges);
  const Adjacency graph = adjacency(problem);
  std::vector<int64_t> starts;
  if (question) {
    starts = {problem.root};
  } else {
    for (int64_t node = 0; node < problem.nodes; ++node) {
      if (graph.first[node] < graph.first[node + 1]) starts.push_back(node);
    }
  }

  Walk walk;
  walk.edges = symbol_edges(problem.edges, label);
  const auto add = [&](std::string word, bool target) {
    walk.words.push_back(std::move(word));
    walk.targets.push_back(target);
  };
  const auto word = [&](int64_t node) { return std::to_string(label[node]); };
  if (question) {
    const bool target_first = rng.below(2) == 0;
    add("[Q]", false);
    add(word(target_first ? problem.target : problem.neg_target), false);
    add(word(target_first ? problem.neg_target : problem.target), false);
  }
  const int64_t end = std::ssize(walk.words) + length;
  const auto room = [&] { return std::ssize(walk.words) < end; };
  while (room()) {
    int64_t node = rng.choice(starts);
    add("[R]", false);
    if (room()) add(word(node), false);
    for (int64_t ways; (ways = graph.first[node + 1] - graph.first[node]) > 0 && room();) {
      node = graph.neighbours[graph.first[node] + rng.below(ways)];
      add(word(node), true);
    }
  }
  if (question) {
    add("[A]", false);
    add(word(problem.target), true);
  }
  return walk;
}

}  // namespace tacit
