#include "datasets/graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/datasets/graphs.h"
#include "tests/lib/core_support.h"

using namespace tacit;
using test::diamond;
using test::graph_options;

namespace {

constexpr int kSeeds = 200;

// The same distances by another road: node j is at distance d when row `root` of A^d has its first entry above 0 at j.
std::vector<int64_t> distances_by_matrix_powers(const GraphProblem& problem) {
  const int64_t n = problem.nodes;
  std::vector<std::vector<int>> step(n, std::vector<int>(n, 0));
  for (const auto& [from, to] : problem.edges) step[from][to] = 1;
  std::vector<int64_t> distance(n, -1);
  std::vector<int> row(n, 0);
  row[problem.root] = 1;
  for (int64_t power = 0; power < n; ++power) {
    std::vector<int> next(n, 0);
    for (int64_t i = 0; i < n; ++i) {
      if (row[i] && distance[i] < 0) distance[i] = power;
      for (int64_t j = 0; j < n; ++j) next[j] |= row[i] & step[i][j];
    }
    row = next;
  }
  return distance;
}

std::pair<int64_t, int64_t> degrees(const GraphProblem& problem, int64_t node) {
  int64_t in = 0, out = 0;
  for (const auto& [from, to] : problem.edges) {
    out += from == node;
    in += to == node;
  }
  return {in, out};
}

// Calls `check` on kSeeds problems of every kind.
template <class Check>
void for_all_problems(Check check) {
  for (const auto& kind : graph_options()) {
    CAPTURE(kind.name);
    for (int seed = 0; seed < kSeeds; ++seed) {
      CAPTURE(seed);
      Rng rng(seed);
      check(kind.graph, generate_graph(kind.graph, rng));
    }
  }
}

}  // namespace

TEST_CASE("a generated target is reachable at an allowed depth, the other candidate is not reachable") {
  for_all_problems([](const GraphOptions& options, const GraphProblem& problem) {
    const std::vector<int64_t> distance = distances_by_matrix_powers(problem);
    CHECK(problem.nodes >= options.min_nodes);
    CHECK(problem.nodes <= options.max_nodes);
    CHECK(distance[problem.target] >= options.min_depth);
    CHECK(distance[problem.target] <= options.max_depth);
    CHECK(distance[problem.neg_target] == -1);
    CHECK(degrees(problem, problem.neg_target).first > 0);
  });
}

TEST_CASE("generated edges join different nodes, each at most once") {
  for_all_problems([](const GraphOptions& options, const GraphProblem& problem) {
    const std::set<std::pair<int64_t, int64_t>> unique(problem.edges.begin(), problem.edges.end());
    CHECK(unique.size() == problem.edges.size());
    for (const auto& [from, to] : problem.edges) {
      CHECK(from != to);
      CHECK(std::min(from, to) >= 0);
      CHECK(std::max(from, to) < problem.nodes);
      if (options.kind == GraphKind::prosqa) CHECK(from < to);
    }
  });
}

TEST_CASE("balanced candidates have the same degrees") {
  for_all_problems([](const GraphOptions& options, const GraphProblem& problem) {
    if (options.balance_in_degree) CHECK(degrees(problem, problem.target) == degrees(problem, problem.neg_target));
  });
}

TEST_CASE("in ProsQA's graphs every node but the roots has an edge, and no candidate has an outgoing one") {
  Rng rng(1);
  for (int i = 0; i < kSeeds; ++i) {
    const GraphProblem problem = generate_graph({}, rng);
    for (int64_t node = 2; node < problem.nodes; ++node) {
      const auto [in, out] = degrees(problem, node);
      CHECK(in + out > 0);
    }
    CHECK(problem.root <= 1);
    CHECK(degrees(problem, problem.target).second == 0);
    CHECK(degrees(problem, problem.neg_target).second == 0);
  }
}

TEST_CASE("random graphs have the number of edges asked for, and no cycle where none is allowed") {
  GraphOptions options = {GraphKind::random, 9, 9, 1.5, 1, 6};
  for (const bool acyclic : {false, true}) {
    options.acyclic = acyclic;
    int cyclic_graphs = 0;
    for (int seed = 0; seed < kSeeds; ++seed) {
      Rng rng(seed, 1);
      GraphProblem problem = generate_graph(options, rng);
      CHECK(problem.edges.size() == 14);  // round(13.5)
      bool cycle = false;
      for (const auto& [from, to] : problem.edges) {
        problem.root = to;
        cycle = cycle || distances(problem)[from] >= 0;
      }
      cyclic_graphs += cycle;
    }
    CHECK((cyclic_graphs == 0) == acyclic);
  }
}

TEST_CASE("node counts and depths are spread over the whole range") {
  GraphOptions options = {GraphKind::random, 8, 11, 1.6, 1, 3};
  std::map<int64_t, int> sizes, depths;
  Rng rng(5);
  for (int i = 0; i < 4000; ++i) {
    const GraphProblem problem = generate_graph(options, rng);
    ++sizes[problem.nodes];
    ++depths[distances(problem)[problem.target]];
  }
  for (int64_t nodes = 8; nodes <= 11; ++nodes) CHECK(std::abs(sizes[nodes] - 1000) < 140);  // 5 standard deviations
  for (int64_t depth = 1; depth <= 3; ++depth) CHECK(depths[depth] > 200);
}

TEST_CASE("distances equal those found by matrix powers") {
  for_all_problems([](const GraphOptions&, const GraphProblem& problem) {
    CHECK(distances(problem) == distances_by_matrix_powers(problem));
  });
}

TEST_CASE("frontiers partition the reachable nodes by distance, ascending, empty levels kept") {
  CHECK(frontiers(diamond(), 5) == std::vector<std::vector<int64_t>>{{1, 2}, {3}, {4}, {}, {}});
  CHECK(frontiers(diamond(), 1) == std::vector<std::vector<int64_t>>{{1, 2}});
  CHECK(frontiers(diamond(), 0).empty());
  for_all_problems([](const GraphOptions&, const GraphProblem& problem) {
    const std::vector<int64_t> distance = distances_by_matrix_powers(problem);
    const auto levels = frontiers(problem, problem.nodes);
    int64_t listed = 0;
    for (size_t k = 0; k < levels.size(); ++k) {
      CHECK(std::is_sorted(levels[k].begin(), levels[k].end()));
      for (const int64_t node : levels[k]) CHECK(distance[node] == static_cast<int64_t>(k) + 1);
      listed += std::ssize(levels[k]);
    }
    CHECK(listed == std::count_if(distance.begin(), distance.end(), [](int64_t d) { return d > 0; }));
  });
}

TEST_CASE("a shortest path follows edges to the target and has the target's distance") {
  for_all_problems([](const GraphOptions&, const GraphProblem& problem) {
    Rng rng(3);
    const std::vector<int64_t> path = shortest_path(problem, rng);
    CHECK(std::ssize(path) == distances(problem)[problem.target]);
    CHECK(path.back() == problem.target);
    int64_t from = problem.root;
    for (const int64_t to : path) {
      CHECK(std::count(problem.edges.begin(), problem.edges.end(), std::pair(from, to)) == 1);
      from = to;
    }
  });
}

TEST_CASE("both shortest paths of a diamond are drawn equally often") {
  Rng rng(11);
  int through_one = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::vector<int64_t> path = shortest_path(diamond(), rng);
    REQUIRE(path.size() == 3);
    through_one += path[0] == 1;
  }
  CHECK(std::abs(through_one - 500) < 80);  // 5 standard deviations
}

TEST_CASE("a shortest path to a node out of reach fails") {
  GraphProblem problem = diamond();
  problem.target = 6;
  Rng rng(0);
  CHECK(error_of([&] { shortest_path(problem, rng); }) ==
        "[shortest_path] expected a target that can be reached from root 0 but got node 6");
}

TEST_CASE("a graph survives JSON") {
  for_all_problems([](const GraphOptions&, const GraphProblem& problem) {
    const std::string text = to_json(problem).dump();
    const GraphProblem back = graph_from_json(Json::parse(text), "test", "memory");
    CHECK(to_json(back).dump() == text);
    CHECK(back.edges == problem.edges);
  });
}

TEST_CASE("a broken graph in JSON is named by field") {
  const struct {
    const char* field;
    const char* value;
    const char* error;
  } rows[] = {
      {"nodes", "1", "'nodes' to be an integer from 2 to 1000000 but got 1"},
      {"edges", "5", "'edges' to be a list of pairs [from, to] but got 5"},
      {"edges", "[[0, 1, 2]]", "'edges' to be a list of pairs [from, to] but got [[0,1,2]]"},
      {"edges", "[[0, 1.5]]", "'edges' to be a list of pairs [from, to] but got [[0,1.5]]"},
      {"edges", "[[0, 7]]", "'edges' to join nodes 0 to 6 but got [0, 7]"},
      {"edges", "[[-1, 2]]", "'edges' to join nodes 0 to 6 but got [-1, 2]"},
      {"edges", "[[2, 2]]", "'edges' to join different nodes but got [2, 2]"},
      {"edges", "[[0, 1], [1, 4], [0, 1]]", "'edges' to hold every edge once but got [0, 1] again"},
      {"root", "\"0\"", "'root' to be an integer but got \"0\""},
      {"root", "9", "'root' to be a node in 0 to 6 but got 9"},
      {"target", "0", "'target' to be reachable from root 0 but got 0"},
      {"target", "5", "'target' to be reachable from root 0 but got 5"},
      {"neg_target", "3", "'neg_target' to be out of reach from root 0 but got 3 at distance 2"},
      {"neg_target", "null", "'neg_target' to be an integer but got null"},
  };
  for (const auto& row : rows) {
    Json json = Json::parse(to_json(diamond()).dump());
    json[row.field] = Json::parse(row.value);
    CHECK(error_of([&] { graph_from_json(json, "test", "memory"); }) ==
          "[test] expected " + std::string(row.error) + " in memory");
  }
}

TEST_CASE("options that no graph can meet are refused") {
  const struct {
    GraphOptions options;
    const char* error;
  } rows[] = {
      {{GraphKind::prosqa, 3, 9}, "expected 4 <= min_nodes <= max_nodes <= 4096 but got min_nodes 3 and max_nodes 9"},
      {{GraphKind::prosqa, 9, 8}, "expected 4 <= min_nodes <= max_nodes <= 4096 but got min_nodes 9 and max_nodes 8"},
      {{GraphKind::prosqa, 9, 9, 1.6, 0, 2},
       "expected 1 <= min_depth <= max_depth but got min_depth 0 and max_depth 2"},
      {{GraphKind::prosqa, 9, 9, 1.6, 3, 2},
       "expected 1 <= min_depth <= max_depth but got min_depth 3 and max_depth 2"},
      {{GraphKind::random, 6, 9, 5.5, 1, 2}, "expected edges_per_node above 0 and at most 5 for 6 nodes but got 5.5"},
      {{GraphKind::random, 6, 9, 3.0, 1, 2, true},
       "expected edges_per_node above 0 and at most 2.5 for 6 nodes but got 3"},
      {{GraphKind::random, 6, 9, -1, 1, 2}, "expected edges_per_node above 0 and at most 5 for 6 nodes but got -1"},
      {{GraphKind::prosqa, 17, 28, 1.6, 16, 50},
       "expected a min_depth of at most 15, for a path and another candidate in 17 nodes, but got 16"},
      {{GraphKind::random, 5, 5, 4, 1, 1},
       "expected a target at distance 1 to 1 and a fitting candidate out of reach but got none in 10000 draws of a "
       "graph with 5 nodes"},
  };
  for (const auto& row : rows) {
    Rng rng(0);
    CHECK(error_of([&] { generate_graph(row.options, rng); }) == "[generate_graph] " + std::string(row.error));
  }
}
