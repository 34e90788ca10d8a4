#include "datasets/reach.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "lib/core/files.h"
#include "tests/datasets/graphs.h"
#include "tests/lib/core_support.h"

using namespace tacit;
using test::diamond;

namespace {

constexpr int kReachExamples = 300;

std::vector<std::string> split(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::vector<ReachOptions> reach_options(ReachStyle style) {
  std::vector<ReachOptions> all;
  for (const auto& named : test::graph_options()) all.push_back({named.graph, style, 32});
  return all;
}

GraphProblem graph_of(const Example& example) { return graph_from_json(example.meta.at("graph"), "test", example.id); }

std::vector<std::string> strings(const OrderedJson& json) { return json.get<std::vector<std::string>>(); }

std::string generated_file(const ReachOptions& options, uint64_t seed, int64_t count) {
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) examples.push_back(reach_example(options, seed, i));
  const ScratchFolder folder;
  write_examples(folder / "reach.jsonl", examples);
  return read_file(folder / "reach.jsonl", "test");
}

}  // namespace

TEST_CASE("generated files have the same bytes on every machine") {
  const auto hash = [](GraphKind kind, ReachStyle style) {
    ReachOptions options;
    options.graph.kind = kind;
    options.style = style;
    return sha256_hex(generated_file(options, 7, 200));
  };
  CHECK(hash(GraphKind::prosqa, ReachStyle::symbols) ==
        "94909954fcdf2b3c7789981c5b6cc65c0d7aeb211509e059bafd2ed3b47a372f");
  CHECK(hash(GraphKind::prosqa, ReachStyle::english) ==
        "06f8b82bf5586580548db7da77f1e9453792cf766b8f82e6de38f0641f730ba8");
  CHECK(hash(GraphKind::random, ReachStyle::symbols) ==
        "5dbf79add13e44609b0034933a31e5705b9beeadeb222f335951f870ea141a7e");
  std::string walks;
  for (int64_t i = 0; i < 200; ++i) {
    const Walk walk = walk_example({}, 7, i, 40);
    walks += walk.edges;
    for (const std::string& word : walk.words) walks += ' ' + word;
    walks += '\n';
  }
  CHECK(sha256_hex(walks) == "d53820bfa6e49c9be59816f17348f67b9c7142ca55a14c81b9d35b3d680879b3");
}

TEST_CASE("an example depends on its index and seed alone") {
  const ReachOptions options;
  const std::string fifth = to_json(reach_example(options, 9, 5)).dump();
  reach_example(options, 9, 4);
  CHECK(to_json(reach_example(options, 9, 5)).dump() == fifth);
  std::set<std::string> questions;
  for (int64_t i = 0; i < kReachExamples; ++i) questions.insert(reach_example(options, 9, i).question);
  for (int64_t i = 0; i < kReachExamples; ++i) questions.insert(reach_example(options, 10, i).question);
  CHECK(questions.size() == 2 * kReachExamples);
}

TEST_CASE("symbols state exactly the graph of the meta, both candidates and the root") {
  for (const ReachOptions& options : reach_options(ReachStyle::symbols)) {
    for (int64_t i = 0; i < kReachExamples; ++i) {
      const Example example = reach_example(options, 1, i);
      const GraphProblem problem = graph_of(example);
      const std::vector<std::string> labels = strings(example.meta.at("labels"));
      std::string expected;
      for (const auto& [from, to] : problem.edges) expected += labels[from] + " " + labels[to] + " | ";
      const std::vector<std::string> candidates = strings(example.meta.at("candidates"));
      expected += "[Q] " + candidates.at(0) + " " + candidates.at(1) + " [R] " + labels[problem.root];
      CHECK(example.question == expected);
      CHECK(example.answer == labels[problem.target]);
      CHECK(std::set<std::string>(candidates.begin(), candidates.end()) ==
            std::set<std::string>{labels[problem.target], labels[problem.neg_target]});
      CHECK(example.steps.back() == example.answer);
      CHECK(std::ssize(example.steps) == example.meta.at("depth").get<int64_t>());
      CHECK(example.meta.at("root") == labels[problem.root]);
      CHECK(example.id == "reach-1/" + std::to_string(i));
    }
  }
}

TEST_CASE("the meta's frontiers are the graph's, as ascending labels, up to the last node") {
  for (const ReachStyle style : {ReachStyle::symbols, ReachStyle::english}) {
    for (const ReachOptions& options : reach_options(style)) {
      for (int64_t i = 0; i < 50; ++i) {
        const Example example = reach_example(options, 2, i);
        const GraphProblem problem = graph_of(example);
        const OrderedJson& levels = example.meta.at("frontiers");
        const auto expected = frontiers(problem, std::ssize(levels) + 1);
        CHECK(expected.back().empty());
        for (size_t k = 0; k < levels.size(); ++k) {
          std::vector<std::string> words;
          for (const int64_t node : expected[k]) words.push_back(example.meta.at("labels")[node]);
          std::sort(words.begin(), words.end(), [&](const std::string& a, const std::string& b) {
            return style == ReachStyle::symbols ? std::stoi(a) < std::stoi(b) : a < b;
          });
          CHECK(!words.empty());
          CHECK(strings(levels[k]) == words);
        }
      }
    }
  }
}

TEST_CASE("labels are different words and every node's label is uniform") {
  ReachOptions options;
  options.graph = {GraphKind::random, 8, 8, 1.6, 1, 3};
  options.labels = 10;
  constexpr int kDraws = 5000;
  std::vector<int> target_label(10, 0), used(10, 0);
  for (int64_t i = 0; i < kDraws; ++i) {
    const Example example = reach_example(options, 3, i);
    const std::vector<std::string> labels = strings(example.meta.at("labels"));
    CHECK(labels.size() == 8);
    CHECK(std::set<std::string>(labels.begin(), labels.end()).size() == 8);
    for (const std::string& label : labels) ++used.at(std::stoi(label));
    ++target_label.at(std::stoi(example.answer));
  }
  for (int label = 0; label < 10; ++label) {
    CHECK(std::abs(target_label[label] - kDraws / 10) < 5 * std::sqrt(kDraws * 0.1 * 0.9));
    CHECK(std::abs(used[label] - kDraws * 8 / 10) < 5 * std::sqrt(kDraws * 0.8 * 0.2));
  }
}

TEST_CASE("the right candidate comes first half the time, in text order and in both styles") {
  for (const ReachStyle style : {ReachStyle::symbols, ReachStyle::english}) {
    ReachOptions options;
    options.style = style;
    int first = 0;
    for (int64_t i = 0; i < 2000; ++i) {
      const Example example = reach_example(options, 4, i);
      first += example.meta.at("candidates")[0] == example.meta.at("labels")[graph_of(example).target];
    }
    CHECK(std::abs(first - 1000) < 112);  // 5 standard deviations
  }
}

TEST_CASE("English says every edge once, names only nodes without incoming edges, and asks ProsQA's question") {
  for (const ReachOptions& options : reach_options(ReachStyle::english)) {
    for (int64_t i = 0; i < kReachExamples; ++i) {
      const Example example = reach_example(options, 5, i);
      const GraphProblem problem = graph_of(example);
      const std::vector<std::string> words = strings(example.meta.at("labels"));
      CHECK(std::set<std::string>(words.begin(), words.end()).size() == words.size());
      const auto is_name = [](const std::string& word) { return std::isupper(word[0]) != 0; };
      const auto sentence = [&](int64_t from, int64_t to) {
        return (is_name(words[from]) ? "" : "Every ") + words[from] + " is a " + words[to] + ".";
      };
      std::string expected;
      for (const auto& [from, to] : problem.edges) {
        expected += sentence(from, to) + " ";
        CHECK(!is_name(words[to]));
      }
      const std::string& root = words[problem.root];
      const std::vector<std::string> candidates = strings(example.meta.at("candidates"));
      expected += (is_name(root) ? "Is " : "Is every ") + root + " a ";
      expected += candidates.at(0) + " or " + candidates.at(1) + "?";
      CHECK(example.question == expected);
      CHECK(example.answer == sentence(problem.root, problem.target));
      CHECK(is_name(root) == std::none_of(problem.edges.begin(), problem.edges.end(),
                                          [&](const auto& edge) { return edge.second == problem.root; }));
      for (const std::string& step : example.steps) CHECK(holds(example.question, step));
      if (options.graph.kind == GraphKind::prosqa) CHECK(is_name(root));
    }
  }
}

TEST_CASE("render_reach leaves the given graph as it is") {
  Rng rng(6);
  const Example example = render_reach(diamond(), {}, rng);
  GraphProblem shown = graph_of(example);
  std::sort(shown.edges.begin(), shown.edges.end());
  CHECK(shown.edges == diamond().edges);
  CHECK(example.meta.at("depth") == 3);
  CHECK(example.id.empty());
}

TEST_CASE("options that cannot be rendered are refused") {
  ReachOptions few;
  few.labels = 27;
  CHECK(error_of([&] { reach_example(few, 0, 0); }) ==
        "[reach_example] expected 28 labels (graph.max_nodes) to 65536 but got 27");
  few.labels = int64_t{1} << 40;
  CHECK(holds(error_of([&] { reach_example(few, 0, 0); }), "to 65536 but got 1099511627776"));
  ReachOptions many;
  many.graph.max_nodes = 100;
  many.style = ReachStyle::english;
  CHECK(holds(error_of([&] { reach_example(many, 0, 0); }), "nodes in English but got graph.max_nodes 100"));
  CHECK(error_of([] { reach_example({}, 0, -1); }) == "[reach_example] expected an index of at least 0 but got -1");
  Rng rng(0);
  few.labels = 6;
  CHECK(error_of([&] { render_reach(diamond(), few, rng); }) ==
        "[render_reach] expected at most 6 nodes (the labels) but got 7");
  GraphProblem wrong = diamond();
  wrong.neg_target = 1;
  CHECK(error_of([&] { render_reach(wrong, {}, rng); }) ==
        "[render_reach] expected 'neg_target' to be out of reach from root 0 but got 1 at distance 1");
}

TEST_CASE("the vocabulary holds every word that the texts use, once") {
  const std::vector<std::string> words = reach_vocabulary(32);
  CHECK(words.size() == 40);
  CHECK(words[31] == "31");
  CHECK(std::vector<std::string>(words.begin() + 32, words.end()) ==
        std::vector<std::string>{"|", "[Q]", "[R]", "[A]", "[T]", "[P]", ";", "[E]"});
  const std::set<std::string> known(words.begin(), words.end());
  CHECK(known.size() == words.size());
  for (int64_t i = 0; i < 50; ++i) {
    for (const std::string& word : split(reach_example({}, 8, i).question)) CHECK(known.contains(word));
    for (const std::string& word : walk_example({}, 8, i, 40).words) CHECK(known.contains(word));
  }
  CHECK(error_of([] { reach_vocabulary(0); }) == "[reach_vocabulary] expected 1 to 65536 labels but got 0");
}
