#include "datasets/generated_task.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>
#include <sstream>

#include "datasets/text_audit.h"
#include "lib/core/files.h"
#include "tests/datasets/generated_task_solvers.h"
#include "tests/lib/core_support.h"

using namespace tacit;
using test::option;
using test::solve;
using test::split;
using test::Variant;

namespace {

constexpr int64_t kExamples = 400;

// Every kind of every task, and sizes beside the defaults.
const std::vector<Variant>& variants() {
  static const std::vector<Variant> all = {
      {"reach", {}},
      {"pointer", {}},
      {"pointer", {{"kind", "function"}, {"nodes", {9, 12}}, {"depth", {1, 8}}, {"labels", 40}}},
      {"chain", {}},
      {"chain", {{"modulus", 7}, {"shuffled", true}, {"depth", {1, 9}}, {"distractors", 6}}},
      {"chain", {{"modulus", 2}, {"variables", 40}, {"depth", 30}}},
      {"listops", {}},
      {"listops", {{"depth", {4, 6}}, {"arguments", {1, 4}}, {"nested", 0.4}, {"words", 120}}},
      {"walks", {}},
      {"walks", {{"kind", "recall"}}},
      {"walks", {{"kind", "recall"}, {"length", {100, 300}}, {"places", 30}}},
      {"maze", {}},
      {"maze", {{"size", {5, 9}}, {"depth", {2, 11}}, {"walls", 0.2}}},
  };
  return all;
}

std::vector<Example> made(const Variant& variant, uint64_t seed = 3, int64_t count = kExamples) {
  const Generator generator = open_generator(variant.task, variant.options);
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) examples.push_back(generator.example(seed, i));
  return examples;
}

std::map<std::string, Heuristic> rules(const Variant& variant, int64_t count) {
  std::map<std::string, Heuristic> out;
  for (const Heuristic& h : audit_text(made(variant, 5, count), generated_task(variant.task).rules).heuristics) {
    out[h.name] = h;
  }
  return out;
}

int64_t depth_of(const Example& example) { return example.meta.at("depth").get<int64_t>(); }

}  // namespace

TEST_CASE("every answer is the one that an independent solver finds") {
  for (const Variant& variant : variants()) {
    if (variant.task == "reach") continue;  // tests/datasets/reach_test.cpp
    CAPTURE(variant.task);
    CAPTURE(variant.options.dump());
    for (const Example& example : made(variant)) {
      CAPTURE(example.id);
      CAPTURE(example.question);
      REQUIRE(solve(variant, example) == example.answer);
    }
  }
}

TEST_CASE("an example depends on its options, seed and index alone") {
  for (const Variant& variant : variants()) {
    CAPTURE(variant.task);
    const Generator generator = open_generator(variant.task, variant.options);
    const Generator other = open_generator(variant.task, Json::parse(generator.options.dump()));
    CHECK(other.options.dump() == generator.options.dump());
    CHECK(other.vocabulary == generator.vocabulary);
    std::set<std::string> questions;
    for (const int64_t index : {7, 0, 3, 1'000'000'007}) {
      const std::string text = to_json(generator.example(9, index)).dump();
      CHECK(text == to_json(other.example(9, index)).dump());
      CHECK(generator.example(9, index).id == variant.task + "-9/" + std::to_string(index));
      questions.insert(generator.example(9, index).question);
      questions.insert(generator.example(10, index).question);
    }
    CHECK(questions.size() == 8);
    CHECK(holds(error_of([&] { generator.example(0, -1); }), "expected an index of at least 0 but got -1"));
  }
}

TEST_CASE("generated files have the same bytes on every machine") {
  const std::map<std::string, std::string> hashes = {
      {"pointer", "1368ba49fbe4a60296ee31e207c9fc6a88bc91a39315e0d6f104e1b7d0a86d87"},
      {"chain", "9e1c48e1ebebf6d438c58325fc40efdc52402719d4a5925bd1881b29475cedef"},
      {"listops", "628482dd9bfa791b4880da83699424385a3b855bd0fde1ab1c8485d3b27fa9d5"},
      {"walks", "b3433db2ad7983cafb5f74e40c864579f9a0bfc1e67062262cb3404fb2b5089a"},
      {"maze", "402a0329a984db1be5587cf739a30312a9b88fd2010414b495651728b56b88f0"},
  };
  for (const auto& [task, hash] : hashes) {
    CAPTURE(task);
    std::string text;
    for (const Variant& variant : variants()) {
      if (variant.task != task) continue;
      for (const Example& example : made(variant, 7, 100)) text += to_json(example).dump() + "\n";
    }
    CHECK(sha256_hex(text) == hash);
  }
}

TEST_CASE("every word of questions, steps and answers is in the vocabulary, marks last and none twice") {
  const std::vector<std::string> marks = {"[A]", "[T]", "[P]", ";", "[E]"};
  for (const Variant& variant : variants()) {
    CAPTURE(variant.task);
    const Generator generator = open_generator(variant.task, variant.options);
    const auto& words = generator.vocabulary;
    const std::set<std::string> known(words.begin(), words.end());
    REQUIRE(known.size() == words.size());
    REQUIRE(words.size() > marks.size());
    CHECK(std::equal(marks.begin(), marks.end(), words.end() - std::ssize(marks)));
    for (const Example& example : made(variant)) {
      std::string text = example.question + " " + example.answer;
      int64_t chain = 0;
      for (const std::string& step : example.steps) text += " " + step, chain += std::ssize(split(step));
      for (const std::string& word : split(text)) REQUIRE_MESSAGE(known.contains(word), word);
      CHECK(chain <= generator.max_words);
      CHECK(std::ssize(split(example.answer)) == 1);
    }
  }
}

TEST_CASE("the vocabulary does not depend on how deep the problems are, so that depths can be held out") {
  const std::vector<std::array<Variant, 2>> pairs = {
      {{{"pointer", {{"depth", {1, 3}}}}, {"pointer", {{"depth", {9, 12}}}}}},
      {{{"chain", {{"depth", {1, 3}}}}, {"chain", {{"depth", {9, 12}}}}}},
      {{{"listops", {{"depth", {1, 2}}}}, {"listops", {{"depth", {4, 5}}}}}},
      {{{"walks", {{"length", {5, 9}}}}, {"walks", {{"length", {90, 99}}}}}},
      {{{"maze", {{"depth", {1, 6}}}}, {"maze", {{"depth", {12, 14}}}}}},
  };
  for (const auto& [shallow, deep] : pairs) {
    CAPTURE(shallow.task);
    CHECK(open_generator(shallow.task, shallow.options).vocabulary ==
          open_generator(deep.task, deep.options).vocabulary);
    for (const Variant* variant : {&shallow, &deep}) {
      const Json& ends = variant->options.front();
      std::set<int64_t> depths;
      for (const Example& example : made(*variant)) depths.insert(depth_of(example));
      std::set<int64_t> expected;
      for (int64_t d = ends[0]; d <= ends[1].get<int64_t>(); ++d) expected.insert(d);
      CHECK(depths == expected);
    }
  }
}

TEST_CASE("depth is what the reasoning takes") {
  for (const Variant& variant : variants()) {
    if (variant.task == "reach" || variant.task == "listops") continue;
    if (variant.task == "walks" && option(variant, "kind", std::string("track")) == "recall") continue;
    CAPTURE(variant.task);
    for (const Example& example : made(variant)) {
      CHECK(std::ssize(example.steps) == depth_of(example));
      const bool digit = variant.task == "maze";
      if (!digit) CHECK(split(example.steps.back()).back() == example.answer);
    }
  }
}

TEST_CASE("pointer: the nodes on the way are all different") {
  for (const Variant& variant : variants()) {
    if (variant.task != "pointer") continue;
    for (const Example& example : made(variant)) {
      std::set<std::string> met(example.steps.begin(), example.steps.end());
      met.insert(split(example.question).back());
      CHECK(met.size() == example.steps.size() + 1);
    }
  }
}

TEST_CASE("pointer: a permutation is pointed to once everywhere, a function is not") {
  for (const bool permutation : {true, false}) {
    int64_t twice = 0;
    for (const Example& example : made({"pointer", {{"kind", permutation ? "permutation" : "function"}}})) {
      const std::vector<std::string> words = split(example.question);
      std::set<std::string> targets;
      int64_t pairs = 0;
      for (size_t i = std::ranges::count(words, ">"); words[i] != "[R]"; i += 3, ++pairs) targets.insert(words[i + 1]);
      CHECK(pairs == 16);
      twice += std::ssize(targets) < pairs;
    }
    CHECK((twice == 0) == permutation);
  }
}

TEST_CASE("pointer: the length of the cycle through the start is uniform above the hops") {
  const Variant variant = {"pointer", {{"nodes", 6}, {"depth", 2}, {"labels", 6}}};
  std::map<int64_t, int64_t> lengths;
  constexpr int64_t kCount = 4000;
  for (const Example& example : made(variant, 1, kCount)) {
    const std::vector<std::string> words = split(example.question);
    std::map<std::string, std::string> next;
    for (size_t i = 2; words[i] != "[R]"; i += 3) next[words[i]] = words[i + 1];
    int64_t length = 1;
    for (std::string at = next[words.back()]; at != words.back(); at = next[at]) ++length;
    ++lengths[length];
  }
  REQUIRE(lengths.size() == 4);                                                           // 3, 4, 5, 6
  for (const auto& [length, count] : lengths) CHECK(std::abs(count - kCount / 4) < 150);  // 5 standard deviations
}

TEST_CASE("listops: parents name the word that opens the list around each word") {
  for (const Variant& variant : variants()) {
    if (variant.task != "listops") continue;
    for (const Example& example : made(variant)) {
      const std::vector<std::string> words = split(example.question);
      const auto parents = example.meta.at("parents").get<std::vector<int64_t>>();
      REQUIRE(parents.size() == words.size());
      std::vector<int64_t> open = {-1};
      int64_t deepest = 0;
      for (size_t i = 0; i < words.size(); ++i) {
        CHECK(parents[i] == open.back());
        if (words[i][0] == '[') open.push_back(static_cast<int64_t>(i));
        deepest = std::max(deepest, std::ssize(open) - 1);
        if (words[i] == "]") open.pop_back();
      }
      CHECK(deepest == depth_of(example));
      CHECK(std::ssize(words) <= option(variant, "words", int64_t{200}));
      CHECK(std::ssize(example.steps) == std::ranges::count(words, "]"));
      CHECK(example.steps.back() == example.answer);
    }
  }
}

TEST_CASE("maze: the steps lead from the start to the goal, one open cell beside the other") {
  for (const Example& example : made({"maze", {{"depth", {3, 14}}}})) {
    std::vector<std::string> cells = split(example.question);
    std::erase(cells, "|");
    const auto size = example.meta.at("size").get<int64_t>();
    auto at = static_cast<int64_t>(std::ranges::find(cells, "S") - cells.begin());
    for (const std::string& step : example.steps) {
      const std::vector<std::string> place = split(step);
      const int64_t row = std::stoll(place[0]), column = std::stoll(place[1]), cell = row * size + column;
      CHECK(std::abs(row - at / size) + std::abs(column - at % size) == 1);
      CHECK(cells[cell] != "#");
      at = cell;
    }
    CHECK(cells[at] == "G");
  }
}

TEST_CASE("maze: detours are as many as asked for, each as often") {
  std::map<int64_t, int64_t> detours;
  for (const Example& example : made({"maze", {{"depth", {9, 12}}, {"detours", 2}}})) {
    std::vector<std::string> cells = split(example.question);
    std::erase(cells, "|");
    const int64_t start = std::ranges::find(cells, "S") - cells.begin();
    const int64_t goal = std::ranges::find(cells, "G") - cells.begin();
    const int64_t straight = std::abs(start / 8 - goal / 8) + std::abs(start % 8 - goal % 8);
    CHECK((depth_of(example) - straight) % 2 == 0);
    ++detours[(depth_of(example) - straight) / 2];
  }
  REQUIRE(detours.size() == 3);
  CHECK(detours.rbegin()->first == 2);
  for (const auto& [count, examples] : detours)
    CHECK(std::abs(examples - kExamples / 3) < 47);  // 5 standard deviations
}

TEST_CASE("walks: recall's answers lie as far back as the walk is long") {
  std::vector<int64_t> back;
  for (const Example& example : made({"walks", {{"kind", "recall"}, {"length", 64}, {"places", 16}}})) {
    back.push_back(example.meta.at("back").get<int64_t>());
  }
  CHECK(*std::ranges::min_element(back) == 1);
  CHECK(*std::ranges::max_element(back) > 55);
  CHECK(*std::ranges::max_element(back) <= 62);
}

TEST_CASE("rules that do no reasoning stay near chance where the task can be balanced") {
  // Chance +- 4 standard deviations of 3,000 draws.
  const auto near = [](const Heuristic& h, double chance) {
    CAPTURE(h.name);
    CAPTURE(h.accuracy);
    CHECK(std::abs(h.accuracy - chance) < 4 * std::sqrt(chance * (1 - chance) / 3000));
  };
  auto pointer = rules({"pointer", {{"depth", {2, 6}}}}, 3000);
  CHECK(pointer.at("one hop").accuracy == 0);  // all nodes on the way differ
  CHECK(pointer.at("backwards").accuracy < 0.12);
  CHECK(pointer.at("mentioned last").accuracy < 0.12);
  CHECK(pointer.at("most frequent answer").accuracy < 0.06);

  auto chain = rules({"chain", {}}, 3000);
  for (const char* rule : {"last number", "first number", "own number", "sum"}) near(chain.at(rule), 0.1);
  CHECK(chain.at("most frequent answer").accuracy < 0.13);

  auto track = rules({"walks", {{"length", {64, 64}}}}, 3000);
  near(track.at("last place"), 1. / 8);
  CHECK(track.at("most frequent answer").accuracy < 0.06);

  auto maze = rules({"maze", {{"depth", {3, 12}}}}, 3000);
  near(maze.at("wall count"), 0.1);
  CHECK(maze.at("most frequent answer").accuracy < 0.13);
  CHECK(maze.at("straight line").accuracy > 0.2);  // the parity is left to guess
  CHECK(maze.at("straight line").accuracy < 0.5);

  auto listops = rules({"listops", {{"depth", {2, 3}}}}, 3000);
  CHECK(listops.at("most frequent answer").accuracy < 0.25);
  CHECK(listops.at("outer digits").accuracy > listops.at("most frequent answer").accuracy);
}

TEST_CASE("options that are unknown or out of range are refused by name") {
  struct Case {
    Variant variant;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"pointer", {{"nodse", 3}}}, "'nodse', did you mean 'nodes'?"},
      {{"pointer", {{"kind", "list"}}}, "expected 'kind' to be permutation or function but got \"list\""},
      {{"pointer", {{"nodes", 40}}}, "expected 'nodes' to be an integer from 2 to 32 but got 40"},
      {{"pointer", {{"nodes", {9, 3}}}}, "expected 'nodes' to be a number, or [least, most], from 2 to 32"},
      {{"pointer", {{"nodes", {9, 10, 11}}}}, "expected 'nodes' to be a number, or [least, most]"},
      {{"pointer", {{"depth", 16}}}, "expected 'depth' to be an integer from 1 to 15 but got 16"},
      {{"pointer", {{"nodes", 4}}}, "expected 'depth' to be below the least number of nodes, 4"},
      {{"pointer", {{"labels", 8}}}, "expected 'labels' to be at least the number of nodes, 16"},
      {{"pointer", {{"labels", "many"}}}, "expected 'labels' to be an integer from 2 to 65536"},
      {{"chain", {{"modulus", 1}}}, "expected 'modulus' to be an integer from 2 to 1000 but got 1"},
      {{"chain", {{"depth", 24}}}, "expected 'variables' to be at least depth + 1 + distractors, 28"},
      {{"chain", {{"shuffled", 1}}}, "expected 'shuffled' to be true or false but got 1"},
      {{"listops", {{"depth", 0}}}, "expected 'depth' to be an integer from 1 to 64 but got 0"},
      {{"listops", {{"nested", 2}}}, "expected 'nested' to lie in 0..1 but got 2"},
      {{"walks", {{"kind", "trace"}}}, "expected 'kind' to be track or recall"},
      {{"walks", {{"kind", "recall"}, {"length", 2}}}, "expected 'length' to be an integer from 3"},
      {{"walks", {{"places", 33}}}, "expected 'places' to be an integer from 3 to 32 but got 33"},
      {{"maze", {{"size", 1}}}, "expected 'size' to be an integer from 2 to 16 but got 1"},
      {{"maze", {{"size", 3}}}, "expected 'depth' to be at most 8, the cells less one"},
      {{"maze", {{"walls", 1}}}, "expected 'walls' to lie in 0..1, 1 excluded"},
      {{"reach", {{"acyclic", true}}}, "expected 'acyclic' to be absent: it belongs to kind random"},
      {{"reach", {{"labels", 9}}}, "expected 28 labels"},
      {{"poinetr", {}}, "did you mean 'pointer'?"},
  };
  for (const auto& [variant, message] : cases) {
    CAPTURE(variant.options.dump());
    const std::string error = error_of([&] { open_generator(variant.task, variant.options, "a recipe"); });
    CHECK_MESSAGE(holds(error, message), error);
  }
}

TEST_CASE("what hardly exists is given up with a word on what to change") {
  const auto error = [](const Variant& variant) {
    return error_of([&] { open_generator(variant.task, variant.options).example(0, 0); });
  };
  CHECK(holds(error({"listops", {{"depth", 20}, {"words", 30}}}), "within 30 words but 10000 in a row were longer"));
  CHECK(holds(error({"maze", {{"depth", 60}}}), "expected shortest paths of 60 moves but 10000 mazes of size 8"));
  CHECK(holds(error({"walks", {{"kind", "recall"}, {"places", 3}, {"length", 500}}}), "500 is too long for 3 places"));
}

TEST_CASE("files of generated examples: read back as written, broken ones refused") {
  const ScratchFolder folder;
  const std::vector<Example> examples = made({"listops", {}}, 3, 5);
  write_examples(folder / "good", examples);
  const std::vector<Example> read = read_generated_examples(folder / "good");
  REQUIRE(read.size() == 5);
  for (size_t i = 0; i < read.size(); ++i) CHECK(to_json(read[i]).dump() == to_json(examples[i]).dump());
  write_examples(folder / "twice", {examples[0], examples[0]});
  CHECK(holds(error_of([&] { read_generated_examples(folder / "twice"); }), "expected ids that differ"));
  Example empty = examples[0];
  empty.answer = " ";
  write_examples(folder / "empty", {examples[1], empty});
  CHECK(
      holds(error_of([&] { read_generated_examples(folder / "empty"); }), "expected an 'answer' but got an empty one"));
  CHECK(holds(error_of([&] { read_generated_examples(folder / "empty"); }), "line 2"));
}
