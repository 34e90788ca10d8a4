#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "datasets/reach.h"
#include "tests/datasets/graphs.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// Successors by label, read back from the text "17 3 | 5 17 |".
std::map<std::string, std::set<std::string>> read_edges(const std::string& text) {
  std::map<std::string, std::set<std::string>> next;
  std::istringstream stream(text);
  for (std::string from, to, bar; stream >> from >> to >> bar;) {
    CHECK(bar == "|");
    CHECK(next[from].insert(to).second);
  }
  return next;
}

}  // namespace

TEST_CASE("walk words follow edges, dead ends restart, and targets mark exactly the words behind an edge") {
  for (const auto& kind : test::graph_options()) {
    CAPTURE(kind.name);
    for (int64_t i = 0; i < 200; ++i) {
      const int64_t length = 1 + i % 50;
      const Walk walk = walk_example({kind.graph}, 1, i, length);
      auto next = read_edges(walk.edges);
      REQUIRE(std::ssize(walk.words) == length);
      REQUIRE(walk.targets.size() == walk.words.size());
      CHECK(walk.words[0] == "[R]");
      for (size_t w = 0; w < walk.words.size(); ++w) {
        const std::string& word = walk.words[w];
        const bool after_node = w > 0 && walk.words[w - 1] != "[R]";
        CHECK(walk.targets[w] == (after_node && word != "[R]"));
        if (word == "[R]") {
          if (w > 0) CHECK(next[walk.words[w - 1]].empty());
        } else if (after_node) {
          CHECK(next[walk.words[w - 1]].contains(word));
        } else {
          CHECK(!next[word].empty());
        }
      }
    }
  }
}

TEST_CASE("a walk depends on its index and seed alone, and a longer walk begins like a shorter one") {
  const Walk walk = walk_example({}, 2, 3, 40);
  const Walk longer = walk_example({}, 2, 3, 60);
  CHECK(longer.edges == walk.edges);
  CHECK(std::vector<std::string>(longer.words.begin(), longer.words.begin() + 40) == walk.words);
  CHECK(walk_example({}, 2, 4, 40).edges != walk.edges);
  CHECK(walk_example({}, 3, 3, 40).edges != walk.edges);
}

TEST_CASE("a walk with a question starts at its root again and again, and its answer is reachable, the other not") {
  for (int64_t i = 0; i < 50; ++i) {
    const Walk walk = walk_example({}, 5, i, 40, true);
    REQUIRE(std::ssize(walk.words) == 45);
    REQUIRE(walk.targets.size() == walk.words.size());
    CHECK(walk.words[0] == "[Q]");
    CHECK(walk.words[3] == "[R]");
    CHECK(walk.words[43] == "[A]");
    CHECK(!walk.targets[43]);
    CHECK(walk.targets[44]);
    const std::string root = walk.words[4], answer = walk.words[44];
    auto next = read_edges(walk.edges);
    for (size_t w = 3; w < 43; ++w) {
      const bool start = walk.words[w] == "[R]", after_start = walk.words[w - 1] == "[R]";
      CHECK(walk.targets[w] == (!start && !after_start));
      if (after_start) CHECK(walk.words[w] == root);
      if (walk.targets[w]) CHECK(next[walk.words[w - 1]].contains(walk.words[w]));
    }
    std::set<std::string> reached = {root};
    for (size_t size = 0; size != reached.size();) {
      size = reached.size();
      for (const std::string& node : std::set<std::string>(reached))
        reached.insert(next[node].begin(), next[node].end());
    }
    CHECK((walk.words[1] == answer || walk.words[2] == answer));
    CHECK(reached.contains(answer));
    CHECK(!reached.contains(walk.words[1] == answer ? walk.words[2] : walk.words[1]));
  }
}

TEST_CASE("a walk of 40 words meets its answer in more than half of the problems, and never the other candidate") {
  int met = 0;
  constexpr int kWalks = 1000;
  for (int64_t i = 0; i < kWalks; ++i) {
    const Walk walk = walk_example({}, 6, i, 40, true);
    const std::set<std::string> visited(walk.words.begin() + 3, walk.words.end() - 2);
    met += visited.contains(walk.words.back());
    CHECK(visited.contains(walk.words[1]) + visited.contains(walk.words[2]) <= 1);
  }
  CHECK(std::abs(met / double{kWalks} - .58) < .06);  // docs/methods/walk.md; four standard deviations
}

TEST_CASE("every way out of a node is walked equally often") {
  ReachOptions options;
  options.graph = {GraphKind::random, 4, 4, 2.0, 1, 1};
  const Walk walk = walk_example(options, 4, 0, 20'000);
  std::map<std::string, std::map<std::string, int>> steps;
  for (size_t w = 1; w < walk.words.size(); ++w) {
    if (walk.targets[w]) ++steps[walk.words[w - 1]][walk.words[w]];
  }
  for (const auto& [from, ways] : read_edges(walk.edges)) {
    int total = 0;
    for (const auto& [to, count] : steps[from]) total += count;
    for (const std::string& to : ways) {
      const double share = 1.0 / static_cast<double>(ways.size());
      const double deviation = std::sqrt(total * share * (1 - share));
      CHECK(std::abs(steps[from][to] - total * share) <= 5 * deviation);
    }
  }
}

TEST_CASE("walks that cannot be drawn are refused") {
  ReachOptions english;
  english.style = ReachStyle::english;
  CHECK(error_of([&] { walk_example(english, 0, 0, 8); }) == "[walk_example] expected style symbols but got english");
  CHECK(error_of([] { walk_example({}, 0, 0, 0); }) == "[walk_example] expected a length of at least 1 word but got 0");
  CHECK(error_of([] { walk_example({}, 0, -2, 8); }) == "[walk_example] expected an index of at least 0 but got -2");
}
