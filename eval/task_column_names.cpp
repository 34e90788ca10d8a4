#include "eval/task_column_names.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "eval/report_columns.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

struct ProblemTrait {
  std::string name;
  std::string text;
  bool hash = false;  // named only where nothing else differs
};

std::vector<ProblemTrait> problem_traits(const TaskResult& result) {
  const Json& set = result.problem_set;
  const auto text = [](const Json& value, bool hash = false) { return recorded_text(OrderedJson(value), hash); };
  std::vector<ProblemTrait> out = {{"task", text(set.at("task"))},
                                   {"data", result.data.empty() ? kNotMeasured : result.data}};
  const Json& generator = set.at("generator");
  if (generator.is_object()) {
    for (const auto& [name, value] : generator.items()) out.push_back({name, text(value)});
  } else {
    out.push_back({"generator", text(generator)});
  }
  for (const char* name : {"style", "labels", "seed", "limit_seed", "problems"})
    out.push_back({name, text(set.at(name))});
  for (const char* name : {"data_sha256", "examples_sha256"}) out.push_back({name, text(set.at(name), true), true});
  return out;
}

std::string trait_text(const std::vector<ProblemTrait>& traits, const std::string& name) {
  const auto found = std::ranges::find(traits, name, &ProblemTrait::name);
  return found == traits.end() ? kNotMeasured : found->text;
}

// What the traits of a group differ in, a text each: "min_depth 3, seed 7"; "" where in nothing.
std::vector<std::string> differing_traits(const std::vector<std::vector<ProblemTrait>>& group) {
  std::vector<std::string> out(group.size());
  std::vector<std::string> names;
  std::set<std::string> hashes;
  for (const auto& traits : group) {
    for (const ProblemTrait& trait : traits) {
      if (std::ranges::find(names, trait.name) == names.end()) names.push_back(trait.name);
      if (trait.hash) hashes.insert(trait.name);
    }
  }
  // Hashes last: a generator that only some have may stand behind them.
  std::ranges::stable_partition(names, [&](const std::string& name) { return !hashes.contains(name); });
  for (const std::string& name : names) {
    if (hashes.contains(name) && std::set(out.begin(), out.end()).size() == out.size()) break;
    std::set<std::string> values;
    for (const auto& traits : group) values.insert(trait_text(traits, name));
    if (values.size() == 1) continue;
    for (size_t i = 0; i < group.size(); ++i)
      out[i] += (out[i].empty() ? "" : ", ") + name + " " + trait_text(group[i], name);
  }
  return out;
}

std::string plain_column_name(const TaskResult& column, const std::vector<const TaskResult*>& all) {
  const std::string& task = column.metrics.task;
  const bool several = std::ranges::any_of(
      all, [&](const TaskResult* other) { return other->metrics.task == task && other->data != column.data; });
  const std::string stem = std::filesystem::path(column.data).stem().string();
  return several && !stem.empty() ? stem : task;
}

}  // namespace

std::vector<std::string> name_task_columns(const std::vector<const TaskResult*>& columns) {
  std::map<std::string, std::vector<size_t>> alike;
  for (size_t c = 0; c < columns.size(); ++c) alike[plain_column_name(*columns[c], columns)].push_back(c);
  std::vector<std::string> out(columns.size());
  for (const auto& [name, places] : alike) {
    std::vector<std::vector<ProblemTrait>> group;
    for (const size_t c : places) group.push_back(problem_traits(*columns[c]));
    const std::vector<std::string> traits = differing_traits(group);
    for (size_t i = 0; i < places.size(); ++i)
      out[places[i]] = name + (traits[i].empty() ? "" : " (" + traits[i] + ")");
  }
  for (size_t a = 0; a < out.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      require(out[a] != out[b], "table", "expected problems that a name tells apart but got '", out[a],
              "' for those of ", columns[b]->from.string(), " and of ", columns[a]->from.string());
    }
  }
  return out;
}

bool may_share_problems(const TaskResult& a, const TaskResult& b) {
  const Json &x = a.problem_set, &y = b.problem_set;
  const auto both = [&](const char* name) { return !x.at(name).is_null() && !y.at(name).is_null(); };
  if (both("data_sha256") && x.at("data_sha256") == y.at("data_sha256")) return true;  // whatever the task calls it
  if (x.at("task") != y.at("task")) return false;
  if (both("data_sha256"))
    return x.at("data_sha256") == y.at("data_sha256") || a.data == b.data;  // one may be the other, corrected
  if (!both("generator") || !both("seed")) return true;
  const auto kind = [](const Json& set) {
    return set.at("generator").is_object() ? set.at("generator").value("kind", Json()) : Json();
  };
  if (kind(x) != kind(y)) return false;  // other draws, whatever the seed
  const auto seeds = [](const Json& seed) {
    return seed.is_array() ? std::set<Json>(seed.begin(), seed.end()) : std::set<Json>{seed};
  };
  const std::set<Json> one = seeds(x.at("seed")), other = seeds(y.at("seed"));
  return std::ranges::any_of(one, [&](const Json& seed) { return other.contains(seed); });
}

}  // namespace tacit
