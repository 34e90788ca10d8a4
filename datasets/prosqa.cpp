#include <algorithm>
#include <optional>

#include "datasets/graph_internal.h"
#include "datasets/reach.h"
#include "datasets/reach_text.h"
#include "lib/core/error.h"
#include "lib/core/json_exact.h"

namespace tacit {
namespace {

std::string excerpt(const Json& value) {
  constexpr size_t kShown = 80;
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kShown ? text : text.substr(0, kShown) + "...";
}

struct Item {
  const Json& json;
  int64_t number;
  const std::string& file;

  [[noreturn]] void reject(std::string_view field, std::string_view expectation, std::string_view got) const {
    fail("read_prosqa", "expected item ", number, " '", field, "' ", expectation, " but got ", got, " in ", file);
  }

  const Json& at(const char* field, std::string_view expectation) const {
    const auto found = json.find(field);
    if (found == json.end()) reject(field, expectation, "nothing");
    return *found;
  }

  std::string string(const char* field) const {
    const Json& value = at(field, "to be a string");
    if (!value.is_string()) reject(field, "to be a string", excerpt(value));
    return value.get<std::string>();
  }

  std::vector<std::string> strings(const char* field) const {
    const std::string_view expectation = "to be a list of strings";
    const Json& value = at(field, expectation);
    const auto is_string = [](const Json& entry) { return entry.is_string(); };
    const bool fits = value.is_array() && std::all_of(value.begin(), value.end(), is_string);
    if (!fits) reject(field, expectation, excerpt(value));
    return value.get<std::vector<std::string>>();
  }

  int64_t integer(const char* field) const {
    const Json& value = at(field, "to be an integer");
    if (!value.is_number_integer()) reject(field, "to be an integer", excerpt(value));
    return value.get<int64_t>();
  }
};

// idx_to_symbol: a word for every node, all different.
std::vector<std::string> read_symbols(const Item& item) {
  std::vector<std::string> symbols = item.strings("idx_to_symbol");
  if (symbols.size() < 2) item.reject("idx_to_symbol", "to name at least 2 nodes", std::to_string(symbols.size()));
  std::vector<std::string> sorted = symbols;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.front().empty()) item.reject("idx_to_symbol", "to hold words", "\"\"");
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) item.reject("idx_to_symbol", "to hold every word once", excerpt(*twice) + " again");
  return symbols;
}

GraphProblem read_problem(const Item& item, int64_t nodes) {
  GraphProblem problem;
  problem.nodes = nodes;
  const std::string_view expectation = "to be a list of pairs [from, to]";
  const Json& edges = item.at("edges", expectation);
  auto pairs = edges_from_json(edges);
  if (!pairs) item.reject("edges", expectation, excerpt(edges));
  problem.edges = std::move(*pairs);
  problem.root = item.integer("root");
  problem.target = item.integer("target");
  problem.neg_target = item.integer("neg_target");
  if (const auto fault = find_fault(problem)) item.reject(fault->field, fault->expectation, fault->got);
  return problem;
}

// The file's own text. The order of the candidates is read off the question's end, "Is Tom a lempus or scrompus?".
Example english_example(const Item& item, const GraphProblem& problem, const std::vector<std::string>& symbols) {
  Example example;
  example.question = item.string("question");
  example.steps = item.strings("steps");
  example.answer = item.string("answer");
  const std::string& target = symbols[problem.target];
  const std::string& negative = symbols[problem.neg_target];
  const bool target_first = example.question.ends_with(" " + target + " or " + negative + "?");
  if (!target_first && !example.question.ends_with(" " + negative + " or " + target + "?")) {
    const size_t shown = std::min<size_t>(example.question.size(), 60);
    item.reject("question", "to end with \"" + target + " or " + negative + "?\" or the reverse",
                excerpt(example.question.substr(example.question.size() - shown)));
  }
  if (!example.answer.ends_with(" " + target + ".")) {
    item.reject("answer", "to end with \"" + target + ".\"", excerpt(example.answer));
  }
  example.meta = reach_meta(problem, symbols, alphabetical(symbols), target_first);
  return example;
}

}  // namespace

std::vector<Example> read_prosqa(const std::filesystem::path& path, ReachStyle style, int64_t labels, uint64_t seed) {
  const Json json = read_json_exact(path, "read_prosqa");
  const std::string file = path.string();
  const std::string stem = path.stem().string();
  if (!json.is_array()) fail("read_prosqa", "expected a list of items but got ", excerpt(json), " in ", file);
  ReachOptions options;
  options.style = style;
  options.labels = labels;

  std::vector<Example> examples;
  examples.reserve(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const int64_t number = static_cast<int64_t>(i);
    const Item item{json[i], number, file};
    if (!json[i].is_object()) {
      fail("read_prosqa", "expected item ", number, " to be an object but got ", excerpt(json[i]), " in ", file);
    }
    const std::vector<std::string> symbols = read_symbols(item);
    const GraphProblem problem = read_problem(item, std::ssize(symbols));
    Example example = english_example(item, problem, symbols);
    if (style == ReachStyle::symbols) {
      if (problem.nodes > labels) {
        item.reject("idx_to_symbol", "to name at most " + std::to_string(labels) + " nodes (the labels)",
                    std::to_string(problem.nodes));
      }
      Rng rng(seed, i, kProsqaStream);
      example = render_reach(problem, options, rng);
    }
    example.id = stem + "/" + std::to_string(i);
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace tacit
