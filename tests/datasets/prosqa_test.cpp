#include <doctest/doctest.h>

#include <algorithm>

#include "datasets/reach.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

Json item() {
  return Json::parse(R"({
    "question": "Every yumpus is a lempus. Tom is a yumpus. Every yumpus is a rompus. Bob is a gorpus. )"
                     R"(Is Tom a gorpus or lempus?",
    "answer": "Tom is a lempus.",
    "steps": ["Tom is a yumpus.", "Every yumpus is a lempus."],
    "idx_to_symbol": ["Tom", "Bob", "yumpus", "lempus", "rompus", "gorpus"],
    "edges": [[0, 2], [2, 3], [2, 4], [1, 5]],
    "root": 0, "target": 3, "neg_target": 5, "neighbor_k": [[2]]})");
}

}  // namespace

TEST_CASE("a ProsQA item is read as its own text") {
  const ScratchFolder folder;
  write_file_atomic(folder / "tiny.json", Json::array({item(), item()}).dump(), "test");
  const std::vector<Example> examples = read_prosqa(folder / "tiny.json", ReachStyle::english, 32, 0);
  REQUIRE(examples.size() == 2);
  const Example& example = examples[1];
  CHECK(example.id == "tiny/1");
  CHECK(example.question == item()["question"]);
  CHECK(example.steps == item()["steps"].get<std::vector<std::string>>());
  CHECK(example.answer == "Tom is a lempus.");
  CHECK(example.meta.dump() ==
        R"({"graph":{"nodes":6,"edges":[[0,2],[2,3],[2,4],[1,5]],"root":0,"target":3,"neg_target":5},)"
        R"("labels":["Tom","Bob","yumpus","lempus","rompus","gorpus"],"candidates":["gorpus","lempus"],"root":"Tom",)"
        R"("depth":2,"frontiers":[["yumpus"],["lempus","rompus"]]})");
}

TEST_CASE("a ProsQA item as symbols keeps the graph and draws the rest from seed and item") {
  const ScratchFolder folder;
  write_file_atomic(folder / "tiny.json", Json::array({item(), item()}).dump(), "test");
  const auto read = [&](uint64_t seed) { return read_prosqa(folder / "tiny.json", ReachStyle::symbols, 32, seed); };
  const std::vector<Example> examples = read(1);
  REQUIRE(examples.size() == 2);
  CHECK(examples[0].id == "tiny/0");
  CHECK(examples[0].question == read(1)[0].question);
  CHECK(examples[0].question != examples[1].question);
  CHECK(examples[0].question != read(2)[0].question);
  for (const Example& example : examples) {
    GraphProblem problem = graph_from_json(example.meta.at("graph"), "test", "memory");
    std::sort(problem.edges.begin(), problem.edges.end());
    CHECK(problem.edges == std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {1, 5}, {2, 3}, {2, 4}});
    CHECK(problem.target == 3);
    const auto labels = example.meta.at("labels").get<std::vector<std::string>>();
    CHECK(example.steps == std::vector<std::string>{labels[2], labels[3]});
    CHECK(example.answer == labels[3]);
  }
}

TEST_CASE("a broken ProsQA item is named by file, number and field") {
  const struct {
    const char* field;
    const char* value;  // nullptr removes the field
    const char* error;
  } rows[] = {
      {"question", nullptr, "'question' to be a string but got nothing"},
      {"question", "5", "'question' to be a string but got 5"},
      {"question", "\"Is Tom a rompus?\"",
       "'question' to end with \"lempus or gorpus?\" or the reverse but got \"Is Tom a rompus?\""},
      {"answer", "\"Tom is a gorpus.\"", "'answer' to end with \"lempus.\" but got \"Tom is a gorpus.\""},
      {"steps", "[1]", "'steps' to be a list of strings but got [1]"},
      {"idx_to_symbol", "[\"Tom\"]", "'idx_to_symbol' to name at least 2 nodes but got 1"},
      {"idx_to_symbol", "[\"a\", \"b\", \"a\"]", "'idx_to_symbol' to hold every word once but got \"a\" again"},
      {"idx_to_symbol", "[\"a\", \"\"]", "'idx_to_symbol' to hold words but got \"\""},
      {"edges", nullptr, "'edges' to be a list of pairs [from, to] but got nothing"},
      {"edges", "\"0 2\"", "'edges' to be a list of pairs [from, to] but got \"0 2\""},
      {"edges", "[[0, 6]]", "'edges' to join nodes 0 to 5 but got [0, 6]"},
      {"edges", "[[0, 2], [0, 2]]", "'edges' to hold every edge once but got [0, 2] again"},
      {"edges", "[[0, 18446744073709551615]]", "'edges' to join nodes 0 to 5 but got [0, -1]"},
      {"root", "\"Tom\"", "'root' to be an integer but got \"Tom\""},
      {"root", "-1", "'root' to be a node in 0 to 5 but got -1"},
      {"target", "5", "'target' to be reachable from root 0 but got 5"},
      {"neg_target", "4", "'neg_target' to be out of reach from root 0 but got 4 at distance 2"},
  };
  const ScratchFolder folder;
  const std::string file = (folder / "tiny.json").string();
  for (const auto& row : rows) {
    Json broken = item();
    if (row.value)
      broken[row.field] = Json::parse(row.value);
    else
      broken.erase(row.field);
    write_file_atomic(file, Json::array({item(), broken}).dump(), "test");
    for (const ReachStyle style : {ReachStyle::english, ReachStyle::symbols}) {
      CHECK(error_of([&] { read_prosqa(file, style, 32, 0); }) ==
            "[read_prosqa] expected item 1 " + std::string(row.error) + " in " + file);
    }
  }
}

TEST_CASE("a file that is no list of ProsQA items is refused") {
  const ScratchFolder folder;
  const std::string file = (folder / "tiny.json").string();
  const auto error = [&](const std::string& content, int64_t labels = 32) {
    write_file_atomic(file, content, "test");
    return error_of([&] { read_prosqa(file, ReachStyle::symbols, labels, 0); });
  };
  CHECK(error("{\"a\": 1}") == "[read_prosqa] expected a list of items but got {\"a\":1} in " + file);
  CHECK(error("[3]") == "[read_prosqa] expected item 0 to be an object but got 3 in " + file);
  CHECK(error("[{").starts_with("[read_prosqa] expected "));
  CHECK(error(Json::array({item()}).dump(), 5) ==
        "[read_prosqa] expected item 0 'idx_to_symbol' to name at most 5 nodes (the labels) but got 6 in " + file);
  CHECK(error("[]").empty());
}
