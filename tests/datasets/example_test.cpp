#include "datasets/example.h"

#include <doctest/doctest.h>

#include "datasets/reach.h"
#include "lib/core/files.h"
#include "tests/lib/core_support.h"

using namespace tacit;

TEST_CASE("examples written, read and written again give the same bytes") {
  const ScratchFolder folder;
  std::vector<Example> examples;
  for (const ReachStyle style : {ReachStyle::symbols, ReachStyle::english}) {
    ReachOptions options;
    options.style = style;
    for (int64_t i = 0; i < 20; ++i) examples.push_back(reach_example(options, 1, i));
  }
  examples.push_back({"plain/0", "2 \"+\" 2\nis é", {}, "4", {"3", "4"}, nullptr});
  examples.push_back({"plain/1", "", {"", "a step"}, "", {}, OrderedJson{{"z", 1}, {"a", {{"y", 2}, {"b", 3}}}}});
  write_examples(folder / "a.jsonl", examples);
  const std::vector<Example> back = read_examples(folder / "a.jsonl");
  REQUIRE(back.size() == examples.size());
  for (size_t i = 0; i < back.size(); ++i) {
    CHECK(back[i].id == examples[i].id);
    CHECK(back[i].question == examples[i].question);
    CHECK(back[i].steps == examples[i].steps);
    CHECK(back[i].answer == examples[i].answer);
    CHECK(back[i].meta == examples[i].meta);
  }
  write_examples(folder / "b.jsonl", back);
  CHECK(read_file(folder / "a.jsonl", "test") == read_file(folder / "b.jsonl", "test"));
  CHECK(folder.names().size() == 2);
}

TEST_CASE("steps and meta may be missing, empty lines and carriage returns do not count") {
  const ScratchFolder folder;
  write_file_atomic(folder / "a.jsonl", "\n{\"id\":\"x\",\"question\":\"q\",\"answer\":\"a\"}\r\n  \n", "test");
  const std::vector<Example> examples = read_examples(folder / "a.jsonl");
  REQUIRE(examples.size() == 1);
  CHECK(examples[0].steps.empty());
  CHECK(examples[0].meta.is_null());
  CHECK(to_json(examples[0]).dump() == R"({"id":"x","question":"q","steps":[],"answer":"a"})");
}

TEST_CASE("a broken line is named by its number and the file") {
  const std::string good = "{\"id\":\"x\",\"question\":\"q\",\"answer\":\"a\"}\n";
  const struct {
    const char* line;
    const char* error;  // up to the file's name
  } rows[] = {
      {"[1, 2]", R"(expected a JSON object in line 3 but got "[1, 2]" in FILE)"},
      {"{\"id\": ", R"(expected a JSON object in line 3 but got "{\"id\": " in FILE ()"},
      {"nonsense", R"(expected a JSON object in line 3 but got "nonsense" in FILE ()"},
      {"\xff\xfe", R"(expected a JSON object in line 3 but got "\ufffd\ufffd" in FILE ()"},
      {R"({"id":"x","id":"y"})", R"(expected every name once in an object but got "id" twice in FILE, line 3)"},
      {R"({"id":"x","n":123456789012345678901})", "expected a whole number of at most 64 bits"},
      {R"({"id":"x","answer":"a"})", "expected 'question' to be a string but got nothing in FILE, line 3"},
      {R"({"id":"x","question":5,"answer":"a"})", "expected 'question' to be a string but got 5 in FILE, line 3"},
      {R"({"id":"x","question":"q"})", "expected 'answer' to be a string but got nothing in FILE, line 3"},
      {R"({"question":"q","answer":"a"})", "expected 'id' to be a string but got nothing in FILE, line 3"},
      {R"({"id":"x","question":"q","answer":"a","steps":"s"})",
       "expected 'steps' to be a list of strings but got \"s\" in FILE, line 3"},
      {R"({"id":"x","question":"q","answer":"a","steps":["s",2]})",
       "expected 'steps[1]' to be a string but got 2 in FILE, line 3"},
      {R"({"id":"x","question":"q","answer":"a","meta":[]})",
       "expected 'meta' to be an object but got [] in FILE, line 3"},
  };
  const ScratchFolder folder;
  const std::string file = (folder / "a.jsonl").string();
  for (const auto& row : rows) {
    write_file_atomic(file, good + good + row.line + "\n" + good, "test");
    std::string error = error_of([&] { read_examples(file); });
    if (const size_t at = error.find(file); at != error.npos) error.replace(at, file.size(), "FILE");
    CHECK(error.starts_with("[read_examples] " + std::string(row.error)));
  }
}

TEST_CASE("a missing file is named") {
  CHECK(holds(error_of([] { read_examples("/nowhere/a.jsonl"); }), "/nowhere/a.jsonl"));
}

TEST_CASE("an example that is not UTF-8 is named and the file that was there stays") {
  const ScratchFolder folder;
  write_file_atomic(folder / "a.jsonl", "old", "test");
  const std::string error = error_of([&] { write_examples(folder / "a.jsonl", {{"bad/7", "\xff", {}, "", {}}}); });
  CHECK(error.starts_with("[write_examples] expected valid UTF-8 but got other bytes in example \"bad/7\" for "));
  CHECK(read_file(folder / "a.jsonl", "test") == "old");
  CHECK(folder.names() == std::vector<std::string>{"a.jsonl"});
}
