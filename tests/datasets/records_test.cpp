#include "datasets/records.h"

#include <doctest/doctest.h>

#include "datasets/delimited.h"
#include "lib/core/rng.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

std::vector<FileRecord> read(const ScratchFolder& scratch, const std::string& text, RecordOptions options) {
  put(scratch / "data", text);
  return read_records(scratch / "data", options, "test");
}

std::vector<std::vector<std::string>> rows(const std::string& text, bool quoted = true) {
  DelimitedReader reader(text, quoted, "test", "a table");
  std::vector<std::vector<std::string>> out;
  while (const auto row = reader.next()) out.push_back(row->fields);
  return out;
}

TEST_CASE("CSV: quotes, commas, line breaks and both line ends, as RFC 4180 has them") {
  using Rows = std::vector<std::vector<std::string>>;
  CHECK(rows("a,b\r\n1,2\r\n") == Rows{{"a", "b"}, {"1", "2"}});
  CHECK(rows("a,b\n1,2") == Rows{{"a", "b"}, {"1", "2"}});
  CHECK(rows("\xEF\xBB\xBF"
             "a,,\n") == Rows{{"a", "", ""}});
  CHECK(rows("\"x, \"\"y\"\"\nz\",\"\"\n\n1,\"2\"\n") == Rows{{"x, \"y\"\nz", ""}, {"1", "2"}});
  CHECK(rows("").empty());
  CHECK(rows("\n\n").empty());
  CHECK(rows("a\t\"b\t c\n", /*quoted=*/false) == Rows{{"a", "\"b", " c"}});
}

TEST_CASE("CSV: what a writer of RFC 4180 writes is read back, whatever the fields hold") {
  Rng rng(3);
  const std::vector<std::string> pieces = {"a", ",", "\"", "\n", "\r\n", "\xC3\xA4", " ", "x y"};
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<std::string>> table(rng.between(1, 4), std::vector<std::string>(rng.between(1, 4)));
    std::string text;
    for (auto& row : table) {
      for (size_t c = 0; c < row.size(); ++c) {
        for (int64_t n = rng.between(0, 4); n > 0; --n) row[c] += rng.choice(pieces);
        text += c == 0 ? "\"" : ",\"";
        for (const char letter : row[c]) text += letter == '"' ? "\"\"" : std::string(1, letter);
        text += "\"";
      }
      text += round % 2 == 0 ? "\n" : "\r\n";
    }
    CAPTURE(text);
    CHECK(rows(text) == table);
  }
}

TEST_CASE("a name twice and a number that a double would round are refused by file and line") {
  const ScratchFolder scratch;
  const auto error = [&](const std::string& text, RecordFormat format) {
    return error_of([&] { read(scratch, text, {.format = format}); });
  };
  const std::string first = R"({"a": 1})";
  const std::string twice = error(first + "\n" + R"({"a": 1, "a": 2})" + "\n", RecordFormat::jsonl);
  CHECK(holds(twice, "got \"a\" twice in line 2 of "));
  const std::string large = error(first + "\n" + R"({"a": 123456789012345678901})" + "\n", RecordFormat::jsonl);
  CHECK(holds(large, "or a text (\"..\"), which keeps every digit, but got 123456789012345678901 in line 2 of "));
  CHECK(holds(error("[{\"a\": 1},\n{\"a\":\n[-9223372036854775809]}]\n", RecordFormat::json), "in line 3 of "));
  CHECK(read(scratch, R"({"a": 18446744073709551615, "b": -9223372036854775808})", {.format = RecordFormat::jsonl})
            .size() == 1);
  CHECK(read(scratch,
             R"({"a": "123456789012345678901 \" 99999999999999999999", "b": 1e30, "c": 99999999999999999999.5})",
             {.format = RecordFormat::jsonl})
            .size() == 1);
}

TEST_CASE("records of every format, and where they stand") {
  const ScratchFolder scratch;
  const std::string file = (scratch / "data").string();
  const auto list = read(scratch, R"({"meta": {"items": [{"a": 1}, {"a": 2}]}})",
                         {.format = RecordFormat::json, .list = "meta.items"});
  REQUIRE(list.size() == 2);
  CHECK(list[1].value.at("a") == 2);
  CHECK(list[1].place == "item 1 of " + file);
  const auto lines = read(scratch, "{\"a\": 1}\n\n{\"a\": 2}\n", {.format = RecordFormat::jsonl});
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].place == "line 3 of " + file);
  const auto csv = read(scratch, "q,a\n\"1\n2\",x\n3,y\n", {.format = RecordFormat::csv});
  REQUIRE(csv.size() == 2);
  CHECK(csv[0].value.at("q") == "1\n2");
  CHECK(csv[1].place == "line 4 of " + file);
  const auto tsv = read(scratch, "1\t2\n3\t4\n", {.format = RecordFormat::tsv, .header = false});
  REQUIRE(tsv.size() == 2);
  CHECK(tsv[0].value.at("1") == "2");
  const auto texts = read(scratch, "one||two\n", {.format = RecordFormat::lines});
  CHECK(texts.at(0).value.at("line") == "one||two");
  for (const std::string& name : record_format_names()) {
    CHECK(record_format_names()[static_cast<size_t>(record_format(name, "test"))] == name);
  }
  CHECK(read(scratch, "{\"a\": 1}\n{\"a\": 2}\n", {.format = RecordFormat::jsonl, .limit = 1}).size() == 1);
}

TEST_CASE("what is broken is named by file and line or item") {
  const ScratchFolder scratch;
  struct Case {
    RecordFormat format;
    std::string text, message;
  };
  const std::string file = (scratch / "data").string();
  for (const Case& c : {
           Case{RecordFormat::csv, "a,b\n1,2\n3\n", "expected 2 columns but got 1 in line 3 of " + file},
           Case{RecordFormat::csv, "a,b\n\"1\n,2\n", "a closing quote for the field that begins in line 2 of " + file},
           Case{RecordFormat::csv, "a,b\n1,x\"y\n", "in line 2 of " + file},
           Case{RecordFormat::csv, "a,b\n1,\"x\"y\n", "behind a closing quote but got 'y' in line 2 of " + file},
           Case{RecordFormat::csv, "a,a\n", "got 'a' twice in line 1 of " + file},
           Case{RecordFormat::csv, "a\n\xFF\n", "expected UTF-8 but got other bytes in line 2 of " + file},
           Case{RecordFormat::tsv, "a\tb\n1\t2\t3\n", "expected 2 columns but got 3 in line 2 of " + file},
           Case{RecordFormat::lines, "fine\n\xC3\n", "expected UTF-8 but got other bytes in line 2 of " + file},
           Case{RecordFormat::jsonl, "{}\n{\"a\": \n", "line 2 of " + file},
           Case{RecordFormat::jsonl, "{}\n[1]\n", "expected an object but got array in line 2 of " + file},
           Case{RecordFormat::json, "[{}, 3]", "expected an object but got number in item 1 of " + file},
           Case{RecordFormat::json, "{}", "expected a list but got object in " + file},
       }) {
    CAPTURE(c.text);
    const std::string error = error_of([&] { read(scratch, c.text, {.format = c.format}); });
    CAPTURE(error);
    CHECK(holds(error, c.message));
  }
  CHECK(holds(error_of([&] { read(scratch, "{}", {.format = RecordFormat::json, .list = "a.b"}); }),
              "expected a list at 'a.b' but got nothing in " + file));
  CHECK(holds(error_of([&] { read_records(scratch / "nowhere", {}, "test"); }), "there is none at"));
  CHECK(holds(error_of([&] { record_format("cvs", "test"); }), "did you mean 'csv'"));
}

TEST_CASE("dotted paths: names, places, and names with dots first") {
  const Json json = Json::parse(R"({"a": [{"b": 1}, {"b": 2}], "x.y": 3, "x": {"y": 4, "z.w": 5}})");
  CHECK(*find_path(json, "a.1.b") == 2);
  CHECK(*find_path(json, "x.y") == 3);
  CHECK(*find_path(json, "x.z.w") == 5);
  for (const char* none : {"a.2.b", "a.b", "a.-1", "x.y.z", "b", "a.1x.b"}) {
    CAPTURE(none);
    CHECK(find_path(json, none) == nullptr);
  }
}

}  // namespace
}  // namespace tacit
