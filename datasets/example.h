#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

// One problem as text: everything a method may learn from or be scored on.
struct Example {
  std::string id;                  // unique within its data set, e.g. "prosqa_valid/17"
  std::string question;            // the prompt's text
  std::vector<std::string> steps;  // the reference chain of thought, one string a step
  std::string answer;
  std::vector<std::string> choices;  // of a multiple choice, in order; empty = the answer is free text
  OrderedJson meta;                  // task-specific: for graphs the graph itself (datasets/graph.h)
};

OrderedJson to_json(const Example& example);
Example example_from_json(const Json& json, const std::string& operation, const std::string& source);

// JSON lines, one example a line; empty lines are skipped. Reading names the file and the line of the first broken one,
// and keeps the order of the names in `meta`: writing what was read gives the same bytes. Writing is atomic.
// `check` sees every example as it is read; `source` is its file and line.
using ExampleCheck = std::function<void(const Example& example, const std::string& source)>;
std::vector<Example> read_examples(const std::filesystem::path& path, const ExampleCheck& check = {});
void write_examples(const std::filesystem::path& path, const std::vector<Example>& examples);

}  // namespace tacit
