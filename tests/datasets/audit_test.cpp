#include "datasets/audit.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "tests/datasets/graphs.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

std::map<std::string, Heuristic> by_name(const Audit& audit) {
  std::map<std::string, Heuristic> result;
  for (const Heuristic& heuristic : audit.heuristics) result[heuristic.name] = heuristic;
  return result;
}

std::vector<Example> generated(const GraphOptions& graph, ReachStyle style, int64_t count) {
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) examples.push_back(reach_example({graph, style, 32}, 12, i));
  return examples;
}

// Labels are 10 + node, but for the wrong candidate, node 6, whose label "1" is a part of other labels.
Example by_hand() {
  const GraphProblem problem = {8, {{0, 2}, {2, 1}, {3, 1}, {3, 2}, {4, 2}, {4, 5}, {5, 6}, {7, 0}, {7, 5}}, 0, 1, 6};
  Example example;
  example.id = "hand/0";
  example.question = "10 12 | 12 11 | 13 11 | 13 12 | 14 12 | 14 15 | 15 1 | 17 10 | 17 15 | [Q] 1 11 [R] 10";
  example.meta = {{"graph", to_json(problem)},
                  {"labels", {"10", "11", "12", "13", "14", "15", "1", "17"}},
                  {"candidates", {"1", "11"}},
                  {"root", "10"},
                  {"depth", 2},
                  {"frontiers", {{"12"}, {"11"}}}};
  return example;
}

}  // namespace

TEST_CASE("an example worked by hand") {
  const Audit audit = audit_reach({by_hand(), by_hand()});
  CHECK(audit.examples == 2);
  CHECK(audit.duplicates == 1);
  CHECK(audit.depth_counts == std::vector<std::pair<int64_t, int64_t>>{{2, 2}});
  CHECK(audit.min_nodes == 8);
  CHECK(audit.max_edges == 9);
  CHECK(audit.mean_edges == 9);
  CHECK(audit.mean_frontier == std::vector<double>{1, 1});
  auto rules = by_name(audit);
  CHECK(rules["lower in-degree"].accuracy == 0);  // 2 edges lead to the target, 1 to the other
  CHECK(rules["higher in-degree"].accuracy == 1);
  CHECK(rules["lower out-degree"].accuracy == 0.5);
  CHECK(rules["lower out-degree"].decided == 0);
  CHECK(rules["first candidate"].accuracy == 0);
  CHECK(rules["mentioned last"].accuracy == 0);  // "1" stands first as a word of its own in "15 1", after every "11"
  CHECK(rules["lower label"].accuracy == 0);
  CHECK(rules["shares a neighbour"].accuracy == 1);  // node 2
  CHECK(rules["shares a neighbour"].decided == 2);
}

TEST_CASE("no rule that does not search gains on balanced ProsQA graphs") {
  for (const ReachStyle style : {ReachStyle::symbols, ReachStyle::english}) {
    const Audit audit = audit_reach(generated({}, style, 3000));
    CHECK(audit.duplicates == 0);
    CHECK(audit.heuristics.size() == 8);
    for (const Heuristic& heuristic : audit.heuristics) {
      CAPTURE(heuristic.name);
      CHECK(std::abs(heuristic.accuracy - 0.5) < 0.046);  // 5 standard deviations when all are decided
      if (heuristic.name.ends_with("degree")) CHECK(heuristic.decided == 0);
    }
  }
}

TEST_CASE("without balancing, counting edges decides") {
  GraphOptions graph;
  graph.balance_in_degree = false;
  auto rules = by_name(audit_reach(generated(graph, ReachStyle::symbols, 500)));
  CHECK(rules["lower in-degree"].decided > 200);
  CHECK(rules["lower in-degree"].decided == rules["higher in-degree"].decided);
  CHECK(rules["lower in-degree"].accuracy + rules["higher in-degree"].accuracy == doctest::Approx(1));
}

TEST_CASE("generated ProsQA graphs have the published sizes and frontiers") {
  const Audit audit = audit_reach(generated({}, ReachStyle::symbols, 3000));
  CHECK(audit.min_nodes == 17);
  CHECK(audit.max_nodes == 28);
  CHECK(audit.mean_nodes == doctest::Approx(22.8).epsilon(0.05));
  CHECK(audit.mean_edges == doctest::Approx(36.3).epsilon(0.05));
  const double published[] = {2.92, 4.40, 3.37, 1.34, 0.30, 0.05};
  REQUIRE(audit.mean_frontier.size() >= 6);
  for (int k = 0; k < 6; ++k) CHECK(std::abs(audit.mean_frontier[k] - published[k]) < 0.5);
}

TEST_CASE("an audit in JSON keeps every figure") {
  const OrderedJson json = to_json(audit_reach({by_hand()}));
  CHECK(json["examples"] == 1);
  CHECK(json["depths"].dump() == R"([{"depth":2,"examples":1}])");
  CHECK(json["nodes"].dump() == R"({"mean":8.0,"min":8,"max":8})");
  CHECK(json["heuristics"].size() == 8);
  CHECK(json["heuristics"][0]["name"] == "lower in-degree");
  CHECK(json["heuristics"][0]["decided"] == 1);
}

TEST_CASE("an example that is no graph problem is named") {
  const struct {
    const char* pointer;
    const char* value;
    const char* error;
  } rows[] = {
      {"", "null", "expected 'meta' with a graph but got null"},
      {"/graph", "3", "expected 'graph' to be an object but got 3"},
      {"/graph/edges", "[[0, 99]]", "expected 'edges' to join nodes 0 to 7 but got [0, 99]"},
      {"/labels", "[\"1\"]", "expected 'labels' to hold a label for each of 8 nodes but got [\"1\"]"},
      {"/candidates", "[\"1\", \"12\"]", "expected 'candidates' to be \"11\" and \"1\" but got [\"1\",\"12\"]"},
  };
  for (const auto& row : rows) {
    Example example = by_hand();
    example.meta[OrderedJson::json_pointer(row.pointer)] = OrderedJson::parse(row.value);
    CHECK(error_of([&] {
            audit_reach({by_hand(), example});
          }) == "[audit_reach] " + std::string(row.error) + " in example hand/0");
  }
  CHECK(error_of([] { audit_reach({}); }) == "[audit_reach] expected at least 1 example but got none");
}
