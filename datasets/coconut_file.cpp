#include "datasets/coconut_file.h"

#include <fstream>
#include <string_view>

#include "datasets/generators.h"
#include "lib/core/data_file.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/json_exact.h"

namespace tacit {
namespace {

constexpr const char* kReadCoconut = "read_coconut";

std::string trimmed(std::string_view text) {
  const char* space = " \t\r\n";
  const size_t begin = text.find_first_not_of(space);
  if (begin == text.npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(space) + 1 - begin));
}

Example parse_line(std::string_view line, const std::string& source) {
  const auto broken = [&](const char* lacks) {
    const std::string text = Json(std::string(line.substr(0, 60))).dump(-1, ' ', true, Json::error_handler_t::replace);
    fail(kReadCoconut, "expected 'question||steps #### answer' but got ", lacks, " in ", text, ", ", source,
         line.starts_with('{') ? "; JSON lines, as of examples, are another format" : "");
  };
  const size_t bars = line.find("||");
  if (bars == line.npos) broken("no '||'");
  const size_t hashes = line.rfind("####");
  if (hashes == line.npos || hashes < bars) broken("no '####' behind the '||'");
  Example example;
  example.question = trimmed(line.substr(0, bars));
  example.steps = split_words(std::string(line.substr(bars + 2, hashes - bars - 2)));
  example.answer = trimmed(line.substr(hashes + 4));
  if (example.question.empty()) broken("no question");
  if (example.answer.empty()) broken("no answer");
  return example;
}

bool is_json(const std::filesystem::path& path) {
  require_data_file(path, kReadCoconut, "problems");
  std::ifstream file(path);
  char first = 0;
  file >> first;  // skips white space
  return file && first == '[';
}

std::vector<Example> read_list(const std::filesystem::path& path) {
  const Json list = read_json_exact(path, kReadCoconut);
  std::vector<Example> examples;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonReader item(list[i], kReadCoconut, path.string(), "item " + std::to_string(i));
    examples.push_back({.id = "",
                        .question = item.string("question"),
                        .steps = item.strings("steps"),
                        .answer = item.string("answer"),
                        .meta = {}});
    if (trimmed(examples.back().question).empty()) item.reject("question", "to hold a question");
    if (trimmed(examples.back().answer).empty()) item.reject("answer", "to hold an answer");
  }
  return examples;
}

}  // namespace

std::vector<Example> read_coconut(const std::filesystem::path& path) {
  std::vector<Example> examples;
  if (is_json(path)) {
    examples = read_list(path);
  } else {
    for_each_line(path, kReadCoconut, [&](std::string_view line, int64_t number) {
      if (trimmed(line).empty()) return;
      examples.push_back(parse_line(line, path.string() + ", line " + std::to_string(number)));
    });
  }
  for (size_t i = 0; i < examples.size(); ++i) examples[i].id = path.stem().string() + "/" + std::to_string(i);
  return examples;
}

void write_coconut_json(const std::filesystem::path& path, const std::vector<Example>& examples) {
  OrderedJson list = OrderedJson::array();
  for (const Example& e : examples)
    list.push_back({{"question", e.question}, {"steps", e.steps}, {"answer", e.answer}});
  try {
    write_file_atomic(path, list.dump() + "\n", "write_coconut");
  } catch (const OrderedJson::type_error&) {
    fail("write_coconut", "expected valid UTF-8 but got other bytes for ", path.string());
  }
}

void write_coconut_lines(const std::filesystem::path& path, const std::vector<Example>& examples) {
  const auto check = [](const Example& example, const std::string& text, std::initializer_list<const char*> strange) {
    for (const char* each : strange) {
      require(text.find(each) == text.npos, "write_coconut", "expected texts without ", Json(each).dump(),
              ", which a line has no place for, but got one in example '", example.id, "'; JSON has");
    }
  };
  std::string out;
  for (const Example& example : examples) {
    check(example, example.question, {"\n", "\r", "||"});
    check(example, example.answer, {"\n", "\r", "####"});
    out += example.question + "||";
    for (const std::string& step : example.steps) {
      check(example, step, {"\n", "\r", " ", "\t", "####"});
      out += step + " ";
    }
    out += "#### " + example.answer + "\n";
  }
  write_file_atomic(path, out, "write_coconut");
}

}  // namespace tacit
