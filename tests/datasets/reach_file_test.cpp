#include <doctest/doctest.h>

#include "datasets/reach.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// A line of the task's files: of `index`, with the value at `pointer` replaced.
std::string line(int64_t index, const std::string& pointer = "", const char* value = "null",
                 ReachStyle style = ReachStyle::symbols) {
  ReachOptions options;
  options.style = style;
  OrderedJson json = to_json(reach_example(options, 1, index));
  if (!pointer.empty()) json[OrderedJson::json_pointer(pointer)] = OrderedJson::parse(value);
  return json.dump() + "\n";
}

std::string without_graph(const char* answer, const char* meta) {
  return std::string(R"({"id":"x","question":"q","answer":")") + answer + R"(","meta":)" + meta + "}\n";
}

}  // namespace

TEST_CASE("what was generated is read, in both styles, and so are foreign lines that say less") {
  const ScratchFolder folder;
  std::string text;
  for (int64_t i = 0; i < 5; ++i) text += line(i);
  write_file_atomic(folder / "symbols.jsonl", text, "test");
  CHECK(read_reach_examples(folder / "symbols.jsonl").size() == 5);
  text.clear();
  for (int64_t i = 0; i < 5; ++i) text += line(i, "", "", ReachStyle::english);
  write_file_atomic(folder / "english.jsonl", text, "test");
  CHECK(read_reach_examples(folder / "english.jsonl").size() == 5);
  text = without_graph("3", R"({"candidates": ["3", "4"], "depth": 2})") + R"({"id":"y","question":"q","answer":"a"})";
  write_file_atomic(folder / "foreign.jsonl", text, "test");
  CHECK(read_reach_examples(folder / "foreign.jsonl").size() == 2);
}

TEST_CASE("a line that contradicts itself is refused by file and line") {
  struct Case {
    std::string line, message;
  };
  const std::string target = Json(reach_example({}, 1, 1).answer).dump();
  const Case cases[] = {
      {line(1, "/answer", "\"\""), "expected an 'answer' but got an empty one"},
      {line(1, "/answer", "\" \""), "expected an 'answer' but got an empty one"},
      {line(1, "/answer", "\"99\""), "expected 'answer' to name " + target + ", the candidate"},
      {line(1, "/answer", "\"Tom is a lempus.\"", ReachStyle::english), "expected 'answer' to name"},
      {line(1, "/meta/candidates", "[\"1\", \"99\"]"), "expected 'candidates' to be"},
      {line(1, "/meta/depth", "-1"), "expected 'depth' to be"},
      {line(1, "/meta/depth", "99"), "the target's distance in the graph"},
      {line(1, "/meta/depth", "\"3\""), "expected 'depth' to be"},
      {line(1, "/meta/graph/target", "99"), "expected 'target' to be a node"},
      {line(1, "/meta/labels", "[]"), "expected 'labels' to hold a label for each"},
      {line(0), "expected ids that differ but got 'reach-1/0'"},
      {without_graph("9", R"({"candidates": ["3", "4"]})"),
       "expected 'answer' to name one of the candidates but got \"9\""},
      {without_graph("9", R"({"depth": -3})"), "expected 'depth' to be an integer from 0"},
      {without_graph("9", R"({"depth": 18446744073709551615})"), "expected 'depth' to be an integer from 0"},
  };
  const ScratchFolder folder;
  const auto file = folder / "a.jsonl";
  for (const Case& c : cases) {
    put(file, line(0) + c.line);
    const std::string error = error_of([&] { read_reach_examples(file); });
    CAPTURE(c.line.substr(0, 200));
    CAPTURE(error);
    CHECK(error.starts_with("[read_examples] "));
    CHECK(holds(error, c.message));
    CHECK(error.ends_with(" in " + file.string() + ", line 2"));
  }
}
