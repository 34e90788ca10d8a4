#include "lib/core/json.h"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>

#include "lib/core/files.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

std::string parse_error(const std::string& text, int max_depth = 64) {
  return error_of([&] { parse_json(text, "read_config", "config.json", max_depth); });
}

const Json& sample() {
  static const Json json = Json::parse(R"({
    "layers": 12, "negative": -3, "rate": 0.5, "tied": true, "name": "gpt2", "nothing": null,
    "huge": 18446744073709551615,
    "whole": 8.0, "sizes": [1, 2, 3], "mixed": [1, "two"], "families": ["a", "b"],
    "rope": {"factor": "8", "kind": {"type": "yarn"}}})");
  return json;
}

JsonReader reader() { return JsonReader(sample(), "read_config", "x/config.json"); }

}  // namespace

TEST_CASE("malformed JSON: error names the operation, the source and the byte") {
  struct Row {
    std::string text, part;
  };
  const std::vector<Row> rows = {
      {"", "got nothing in config.json"},
      {" \n", "got nothing in config.json"},
      {"{\"a\": }", "at byte 6"},
      {"[1, 2", "at byte 5"},
      {"{\"a\": 1} x", "at byte 9"},
      {"{\"a\": \"\xff\"}", "at byte 7"},   // not UTF-8
      {"[\"\xed\xa0\x80\"]", "at byte 3"},  // a surrogate half
      {"[NaN]", "at byte 1"},
      {"{} // note", "at byte 3"},
      {std::string("{}\0{", 4), "at byte 2"},  // what follows a zero byte must not be ignored
      {"[1e999]", "number overflow"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const std::string error = parse_error(row.text);
    CHECK(holds(error, "[read_config] expected"));
    CHECK(holds(error, row.part));
    CHECK(holds(error, "in config.json"));
    CHECK_NOTHROW(Json(error).dump());  // the message itself stays UTF-8
  }
}

TEST_CASE("nesting is refused before it costs stack, at the byte that is too deep") {
  const std::string deep = "[[[1]]]";
  CHECK(parse_error(deep, 3) == "");
  CHECK(holds(parse_error(deep, 2),
              "expected JSON nested at most 2 levels deep but got a deeper one at byte 2 in config.json"));
  CHECK(holds(parse_error(std::string(5'000'000, '[')), "at byte 64"));
  CHECK(holds(parse_error(std::string(64, '[') + "{"), "at byte 64"));
  CHECK(parse_error(R"(["\"[[[[", "\\"])", 1) == "");  // brackets inside strings do not nest
  CHECK(parse_error("[[], [], [], {}]", 2) == "");
}

TEST_CASE("an error about a huge string stays short") {
  const std::string error = parse_error("[\"" + std::string(100'000, 'x'));
  CHECK(holds(error, "[read_config]"));
  CHECK(error.size() < 400);
}

TEST_CASE("a repeated name is refused where names must be unique, also when it is spelled with escapes") {
  const auto unique = [](const std::string& text) { return error_of([&] { parse_json_unique(text, "op", "file"); }); };
  CHECK(holds(unique(R"({"a": 1, "b": {}, "\u0061": 2})"),
              "[op] expected every name once in an object but got \"a\" twice in file"));
  CHECK(holds(unique(R"({"x": [{"b": 1}, {"c": 1, "c": 1}]})"), "\"c\" twice in file"));
  CHECK(holds(unique(R"([[1, {}], "a", {"x": [{"c": 1, "c": 1}]}, 3])"), "\"c\" twice in item 2 of file"));
  CHECK(holds(unique(R"([{"c": 1, "c": 1}, )"), "\"c\" twice in item 0 of file"));
  CHECK(holds(unique(R"([{"c": 1}, )"), "at byte 11, "));
  CHECK(unique(R"({"a": {"a": 1}, "b": {"a": 2}, "c": [{"a": 1}, {"a": 1}]})") == "");
  CHECK(parse_json_unique(R"({"a": {"b": [1, {"c": null}]}})", "op", "file") ==
        Json::parse(R"({"a": {"b": [1, {"c": null}]}})"));
  CHECK(parse_json(R"({"a": 1, "a": 2})", "op", "file")["a"] == 2);
}

TEST_CASE("looking for repeated names costs a long list no more than reading it again") {
  std::string list = "[";
  for (int i = 0; i < 50'000; ++i) list += R"({"a": 1},)";
  list.back() = ']';
  const auto seconds = [&](auto parse) {
    const auto start = std::chrono::steady_clock::now();
    CHECK(parse(list, "op", "file", 64).size() == 50'000);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  CHECK(seconds(parse_json_unique) < 15 * seconds(parse_json));  // 2 to 3; were each item to walk the list, 60
}

TEST_CASE("reading a JSON file names the file when it is missing or malformed") {
  const ScratchFolder folder;
  write_file_atomic(folder / "good.json", R"({"a": "ü"})", "test");
  write_file_atomic(folder / "bad.json", R"({"a" 1})", "test");
  CHECK(read_json(folder / "good.json", "op")["a"] == "ü");
  CHECK(holds(error_of([&] { read_json(folder / "bad.json", "op"); }), (folder / "bad.json").string()));
  CHECK(holds(error_of([&] { read_json(folder / "none.json", "op"); }), "No such file or directory"));
}

TEST_CASE("fields are read with their types, and a fallback serves absent and null ones") {
  const JsonReader read = reader();
  CHECK(read.integer("layers") == 12);
  CHECK(read.integer("absent", 7) == 7);
  CHECK(read.integer("nothing", 7) == 7);
  CHECK(read.integer("layers", 7) == 12);
  CHECK(read.integer_in("layers", 12, 12) == 12);
  CHECK(read.integer_in("negative", -3, 0) == -3);
  CHECK(read.number("rate") == 0.5);
  CHECK(read.number("layers") == 12.0);
  CHECK(read.number("absent", 0.25) == 0.25);
  CHECK(read.boolean("tied", false));
  CHECK(read.boolean("absent", true));
  CHECK(read.string("name") == "gpt2");
  CHECK(read.string("nothing", "none") == "none");
  CHECK(read.integers("sizes") == std::vector<int64_t>{1, 2, 3});
  CHECK(read.strings("families") == std::vector<std::string>{"a", "b"});
  CHECK(read.object("rope").object("kind").string("type") == "yarn");
  CHECK(read.object("rope").object("kind").path("type") == "rope.kind.type");
  CHECK(read.has("layers"));
  CHECK_FALSE(read.has("nothing"));
  CHECK_FALSE(read.has("absent"));
}

TEST_CASE("a field of the wrong type: error names the field's path, what was expected and the value") {
  using Action = std::function<void(const JsonReader&)>;
  struct Row {
    Action action;
    std::string message;
  };
  const std::vector<Row> rows = {
      {[](auto& r) { r.object("rope").number("factor"); }, "expected 'rope.factor' to be a number but got \"8\""},
      {[](auto& r) { r.object("rope").number("factor", 1.0); }, "expected 'rope.factor' to be a number but got \"8\""},
      {[](auto& r) { r.integer("rate"); }, "expected 'rate' to be an integer but got 0.5"},
      {[](auto& r) { r.integer("whole"); }, "expected 'whole' to be an integer but got 8.0"},
      {[](auto& r) { r.integer("huge"); }, "expected 'huge' to be an integer but got 18446744073709551615"},
      {[](auto& r) { r.integer("absent"); }, "expected 'absent' to be an integer but got nothing"},
      {[](auto& r) { r.integer("nothing"); }, "expected 'nothing' to be an integer but got null"},
      {[](auto& r) { r.integer("tied", 1); }, "expected 'tied' to be an integer but got true"},
      {[](auto& r) { r.integer_in("layers", 1, 11); }, "expected 'layers' to be an integer from 1 to 11 but got 12"},
      {[](auto& r) { r.integer_in("negative", -2, 5); },
       "expected 'negative' to be an integer from -2 to 5 but got -3"},
      {[](auto& r) { r.boolean("layers", true); }, "expected 'layers' to be true or false but got 12"},
      {[](auto& r) { r.string("layers"); }, "expected 'layers' to be a string but got 12"},
      {[](auto& r) { r.integers("name"); }, "expected 'name' to be a list of integers but got \"gpt2\""},
      {[](auto& r) { r.integers("mixed"); }, "expected 'mixed[1]' to be an integer but got \"two\""},
      {[](auto& r) { r.strings("mixed"); }, "expected 'mixed[0]' to be a string but got 1"},
      {[](auto& r) { r.object("sizes"); }, "expected 'sizes' to be an object but got [1,2,3]"},
      {[](auto& r) { r.reject("name", "to be a known family"); },
       "expected 'name' to be a known family but got \"gpt2\""},
  };
  for (const Row& row : rows) {
    CHECK(error_of([&] { row.action(reader()); }) == "[read_config] " + row.message + " in x/config.json");
  }
}

TEST_CASE("a long or invalid offending value is shortened to readable UTF-8") {
  const Json json = {{"text", std::string(59, 'x') + "üüü" + std::string(1000, 'y')},
                     {"list", std::vector<int>(100'000, 7)},
                     {"raw", std::string("\xff\xfe")}};
  const JsonReader read(json, "op", "file");
  for (const char* name : {"text", "list", "raw"}) {
    const std::string error = error_of([&] { read.integer(name); });
    CHECK(error.size() > 40);
    CHECK(error.size() < 130);
    CHECK_NOTHROW(Json(error).dump());
  }
  CHECK(holds(error_of([&] { read.integer("list"); }), "[7,7,7"));
  CHECK(holds(error_of([&] { read.integer("list"); }), "... in file"));
}

TEST_CASE("a file whose top is no object is refused with its value") {
  CHECK(error_of([] {
          JsonReader(Json::array({1, 2}), "op", "file");
        }) == "[op] expected the whole file to be an object but got [1,2] in file");
}

TEST_CASE("an unknown field is refused and the nearest known one suggested") {
  const Json json = {{"layers", 1}, {"hiden", 2}};
  const JsonReader read(json, "op", "file", "model");
  CHECK(error_of([&] {
          read.only({"layers", "hidden"});
        }) == "[op] expected only known fields in file but got 'model.hiden', did you mean 'hidden'?");
  CHECK(error_of([&] { read.only(std::vector<std::string>{"layers"}); }) ==
        "[op] expected only known fields in file but got 'model.hiden'");
  CHECK(error_of([&] { read.only({"layers", "hiden", "other"}); }) == "");
}
