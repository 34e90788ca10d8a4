#include "datasets/example.h"

#include <algorithm>
#include <string_view>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/json_exact.h"

namespace tacit {

OrderedJson to_json(const Example& example) {
  OrderedJson json = OrderedJson::object();
  json["id"] = example.id;
  json["question"] = example.question;
  json["steps"] = example.steps;
  json["answer"] = example.answer;
  if (!example.choices.empty()) json["choices"] = example.choices;
  if (!example.meta.is_null()) json["meta"] = example.meta;
  return json;
}

Example example_from_json(const Json& json, const std::string& operation, const std::string& source) {
  JsonReader reader(json, operation, source);
  Example example;
  example.id = reader.string("id");
  example.question = reader.string("question");
  if (reader.has("steps")) example.steps = reader.strings("steps");
  example.answer = reader.string("answer");
  if (reader.has("choices")) example.choices = reader.strings("choices");
  if (reader.has("meta")) example.meta = reader.object("meta").json();
  return example;
}

namespace {

std::string excerpt(std::string_view text) {
  constexpr size_t kShown = 60;
  std::string shown(text.substr(0, kShown));
  if (text.size() > kShown) shown += "...";
  return Json(shown).dump(-1, ' ', true, Json::error_handler_t::replace);
}

[[noreturn]] void reject_line(std::string_view text, int64_t number, const std::filesystem::path& path,
                              const std::string& cause = "") {
  fail("read_examples", "expected a JSON object in line ", number, " but got ", excerpt(text), " in ", path.string(),
       cause);
}

Example parse_line(std::string_view text, int64_t number, const std::filesystem::path& path,
                   const ExampleCheck& check) {
  const std::string operation = "read_examples";
  const std::string source = path.string() + ", line " + std::to_string(number);
  Json json;
  try {
    json = parse_json_exact(text, operation, source);
  } catch (const Error& error) {
    const size_t first = text.find_first_not_of(" \t");
    if (first != text.npos && text[first] == '{' && Json::accept(text)) throw;  // an object, which says what is wrong
    const std::string cause = error.what();
    reject_line(text, number, path, " (" + cause.substr(std::min(cause.size(), operation.size() + 3)) + ")");
  }
  if (!json.is_object()) reject_line(text, number, path);
  Example example = example_from_json(json, operation, source);
  // Json sorts its keys; parsing again keeps their order, so that writing what was read gives the same bytes.
  if (!example.meta.empty()) example.meta = std::move(OrderedJson::parse(text).at("meta"));
  if (check) check(example, source);
  return example;
}

}  // namespace

std::vector<Example> read_examples(const std::filesystem::path& path, const ExampleCheck& check) {
  std::vector<Example> examples;
  for_each_line(path, "read_examples", [&](std::string_view text, int64_t number) {
    if (text.find_first_not_of(" \t") == std::string_view::npos) return;
    examples.push_back(parse_line(text, number, path, check));
  });
  return examples;
}

void write_examples(const std::filesystem::path& path, const std::vector<Example>& examples) {
  write_file_atomic(
      path,
      [&](std::ostream& out) {
        for (const Example& example : examples) {
          try {
            out << to_json(example).dump() << '\n';
          } catch (const OrderedJson::type_error&) {
            fail("write_examples", "expected valid UTF-8 but got other bytes in example ", excerpt(example.id), " for ",
                 path.string());
          }
        }
      },
      "write_examples");
}

}  // namespace tacit
