#include <doctest/doctest.h>

#include <map>

#include "datasets/audit.h"
#include "datasets/reach.h"
#include "tests/support/test_data.h"

using namespace tacit;

TEST_CASE("ProsQA's validation file: known sizes, depths and heuristic scores") {
  const auto path = test::data("prosqa/prosqa_valid.json");
  if (!path) return;
  for (const ReachStyle style : {ReachStyle::english, ReachStyle::symbols}) {
    const std::vector<Example> examples = read_prosqa(*path, style, 32, 1);
    CHECK(examples.front().id == "prosqa_valid/0");
    const Audit audit = audit_reach(examples);
    CHECK(audit.examples == 300);
    CHECK(audit.duplicates == 0);
    CHECK(audit.mean_nodes == doctest::Approx(22.82));
    CHECK(audit.mean_edges == doctest::Approx(36.26));
    CHECK(audit.min_edges == 22);
    CHECK(audit.max_edges == 53);
    CHECK(audit.depth_counts == std::vector<std::pair<int64_t, int64_t>>{{3, 124}, {4, 133}, {5, 36}, {6, 7}});
    std::map<std::string, double> accuracy;
    for (const Heuristic& heuristic : audit.heuristics) accuracy[heuristic.name] = heuristic.accuracy;
    CHECK(accuracy["lower in-degree"] == doctest::Approx(0.65).epsilon(0.03));
    CHECK(accuracy["lower out-degree"] == 0.5);  // both candidates always end their chains
  }
}

TEST_CASE("ProsQA's steps are a shortest path, as many as the depth") {
  for (const char* name : {"prosqa/prosqa_valid.json", "prosqa/prosqa_valid_graph_4_coconut.json"}) {
    const auto path = test::data(name);
    if (!path) continue;
    const std::vector<Example> english = read_prosqa(*path, ReachStyle::english, 32, 1);
    const std::vector<Example> symbols = read_prosqa(*path, ReachStyle::symbols, 32, 1);
    REQUIRE(english.size() == symbols.size());
    for (size_t i = 0; i < english.size(); ++i) {
      const int64_t depth = english[i].meta.at("depth");
      CHECK(std::ssize(english[i].steps) == depth);
      CHECK(std::ssize(symbols[i].steps) == depth);
      const std::string target = english[i].meta.at("labels")[english[i].meta.at("graph").at("target").get<int64_t>()];
      CHECK(english[i].steps.back().ends_with(" is a " + target + "."));
      CHECK(english[i].meta.at("frontiers").size() == symbols[i].meta.at("frontiers").size());
    }
  }
}
