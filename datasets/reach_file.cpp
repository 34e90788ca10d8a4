#include <algorithm>
#include <map>

#include "datasets/reach.h"
#include "datasets/reach_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr const char* kReadExamples = "read_examples";

// "3", or "Tom is a lempus." for the label "lempus".
bool names(const std::string& answer, const std::string& label) {
  return answer == label || answer.ends_with(" " + label) || answer.ends_with(" " + label + ".");
}

// A foreign file may give candidates and a depth without the graph that they follow from.
void check_without_graph(const Example& example, const JsonReader& meta, const std::string& source) {
  constexpr int64_t kDeepest = 1'000'000;
  if (meta.has("depth")) meta.integer_in("depth", 0, kDeepest);
  if (!meta.has("candidates")) return;
  const std::vector<std::string> candidates = meta.strings("candidates");
  const bool named = std::any_of(candidates.begin(), candidates.end(),
                                 [&](const std::string& label) { return names(example.answer, label); });
  require(named, kReadExamples, "expected 'answer' to name one of the candidates but got \"", example.answer, "\" in ",
          source);
}

void check_graph(const Example& example, const JsonReader& meta, const std::string& source) {
  const ReachMeta item = read_reach_meta(example, kReadExamples, source);
  const std::string& target = item.labels[item.problem.target];
  require(names(example.answer, target), kReadExamples, "expected 'answer' to name \"", target,
          "\", the candidate that the graph's root reaches, but got \"", example.answer, "\" in ", source);
  const int64_t depth = distances(item.problem)[item.problem.target];
  if (meta.has("depth") && meta.json().at("depth") != depth) {
    meta.reject("depth", "to be " + std::to_string(depth) + ", the target's distance in the graph,");
  }
}

void check_example(const Example& example, const std::string& source) {
  require(example.answer.find_first_not_of(" \t\r\n") != std::string::npos, kReadExamples,
          "expected an 'answer' but got an empty one in ", source);
  if (!example.meta.is_object()) return;
  const Json json = example.meta;
  const JsonReader meta(json, kReadExamples, source);
  if (meta.has("graph")) {
    check_graph(example, meta, source);
  } else {
    check_without_graph(example, meta, source);
  }
}

}  // namespace

ReachMeta read_reach_meta(const Example& example, const std::string& operation, const std::string& source) {
  const Json meta = example.meta;
  if (!meta.is_object()) fail(operation, "expected 'meta' with a graph but got ", meta.type_name(), " in ", source);
  const JsonReader reader(meta, operation, source);
  ReachMeta item;
  item.problem = graph_from_json(reader.object("graph").json(), operation, source);
  item.labels = reader.strings("labels");
  if (std::ssize(item.labels) != item.problem.nodes) {
    reader.reject("labels", "to hold a label for each of " + std::to_string(item.problem.nodes) + " nodes");
  }
  item.candidates = reader.strings("candidates");
  const std::string &target = item.labels[item.problem.target], &negative = item.labels[item.problem.neg_target];
  item.target_first = item.candidates == std::vector{target, negative};
  if (!item.target_first && item.candidates != std::vector{negative, target}) {
    reader.reject("candidates", "to be \"" + target + "\" and \"" + negative + "\"");
  }
  return item;
}

std::vector<Example> read_reach_examples(const std::filesystem::path& path) {
  std::map<std::string, std::string> ids;  // and where they stand
  return read_examples(path, [&](const Example& example, const std::string& source) {
    const auto [first, fresh] = ids.emplace(example.id, source);
    require(fresh, kReadExamples, "expected ids that differ but got '", example.id, "' in ", first->second,
            " and again in ", source);
    check_example(example, source);
  });
}

}  // namespace tacit
