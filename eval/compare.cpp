#include "eval/compare.h"

#include <algorithm>
#include <map>

#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

using Key = std::pair<std::string, int64_t>;  // id and repeat
using NamedRun = std::pair<std::string, Run>;

std::map<Key, const Sample*> by_key(const NamedRun& run) {
  std::map<Key, const Sample*> out;
  for (const Sample& s : run.second.samples) {
    const bool fresh = out.emplace(Key{s.id, s.repeat}, &s).second;
    require(fresh, "compare", "expected one sample an example but got '", s.id, "' twice in run '", run.first, "'");
  }
  return out;
}

void check_runs(const std::vector<NamedRun>& runs, const std::string& baseline) {
  require(!runs.empty(), "compare", "expected at least one run");
  std::vector<std::string> names;
  for (const auto& [name, run] : runs) {
    require(std::find(names.begin(), names.end(), name) == names.end(), "compare",
            "expected names that differ but got '", name, "' twice");
    names.push_back(name);
    require(run.metrics.task == runs[0].second.metrics.task, "compare", "expected runs of one task but got '",
            runs[0].second.metrics.task, "' (", runs[0].first, ") and '", run.metrics.task, "' (", name, ")");
  }
  require(baseline.empty() || std::find(names.begin(), names.end(), baseline) != names.end(), "compare",
          "expected the baseline to be one of the runs but got '", baseline, "'", did_you_mean(baseline, names));
}

void check_same_problem(const Sample& a, const std::string& name_a, const Sample& b, const std::string& name_b) {
  require(a.expected == b.expected && a.depth == b.depth, "compare", "expected '", a.id,
          "' to be the same problem in all runs but its "
          "answer is '",
          a.expected, "' (depth ", a.depth, ") in '", name_a, "' and '", b.expected, "' (depth ", b.depth, ") in '",
          name_b, "'");
}

// Samples of the examples that every run has, by run, in the first run's order.
std::vector<std::vector<Sample>> common_samples(const std::vector<NamedRun>& runs) {
  std::vector<std::map<Key, const Sample*>> maps;
  for (const NamedRun& run : runs) maps.push_back(by_key(run));
  std::vector<std::vector<Sample>> out(runs.size());
  for (const Sample& first : runs[0].second.samples) {
    const Key key{first.id, first.repeat};
    if (!std::all_of(maps.begin(), maps.end(), [&](const auto& m) { return m.contains(key); })) continue;
    for (size_t r = 0; r < runs.size(); ++r) {
      const Sample& sample = *maps[r].at(key);
      check_same_problem(first, runs[0].first, sample, runs[r].first);
      out[r].push_back(sample);
    }
  }
  require(!out[0].empty(), "compare", "expected runs with common examples but they share none");
  return out;
}

void test_against(const std::vector<Sample>& baseline, const std::vector<Sample>& samples, ComparisonRow& row) {
  for (size_t i = 0; i < samples.size(); ++i) {
    row.only_this += samples[i].correct && !baseline[i].correct;
    row.only_baseline += !samples[i].correct && baseline[i].correct;
  }
  row.p_value = mcnemar(row.only_this, row.only_baseline);
}

}  // namespace

Comparison compare(const std::vector<NamedRun>& runs, const std::string& baseline) {
  check_runs(runs, baseline);
  const std::vector<std::vector<Sample>> samples = common_samples(runs);
  Comparison out;
  out.task = out.title = runs[0].second.metrics.task;
  out.baseline = baseline;
  out.examples = std::ssize(samples[0]);
  const auto base = std::find_if(runs.begin(), runs.end(), [&](const NamedRun& r) { return r.first == baseline; });
  for (size_t r = 0; r < runs.size(); ++r) {
    const auto& [name, run] = runs[r];
    ComparisonRow row{.name = name, .metrics = score_samples(samples[r], run.metrics)};
    if (base != runs.end()) test_against(samples[base - runs.begin()], samples[r], row);
    // A run's heuristics are those of all its examples.
    const bool whole = std::ssize(run.samples) == out.examples;
    if (out.heuristics.empty() && whole) out.heuristics = run.metrics.heuristics;
    if (!whole) row.metrics.heuristics.clear();
    out.rows.push_back(std::move(row));
  }
  return out;
}

OrderedJson to_json(const Comparison& comparison) {
  OrderedJson rows = OrderedJson::array();
  for (const ComparisonRow& row : comparison.rows) {
    OrderedJson json = {{"name", row.name}};
    json.update(to_json(row.metrics));
    json.erase("heuristics");  // once for all rows, below
    const bool tested = !comparison.baseline.empty() && row.name != comparison.baseline;
    json["only_this"] = row.only_this;
    json["only_baseline"] = row.only_baseline;
    json["p_value"] = tested ? OrderedJson(row.p_value) : OrderedJson();
    rows.push_back(std::move(json));
  }
  return {{"title", comparison.title},
          {"task", comparison.task},
          {"examples", comparison.examples},
          {"baseline", comparison.baseline},
          {"rows", rows},
          {"heuristics", to_json(comparison.heuristics)},
          {"provenance", comparison.provenance}};
}

}  // namespace tacit
