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

OrderedJson field(const OrderedJson& record, const char* name) {
  const auto found = record.is_object() ? record.find(name) : record.end();
  return found == record.end() ? OrderedJson() : *found;
}

// Recorded fields that only say by another name what a report says anyhow.
bool is_repetition(const std::string& name) {
  static const std::vector<std::string> all = {
      "command", "model", "model_path", "data_path", "settings", "config_sha256", "tokenizer_sha256", "method", "task"};
  return std::find(all.begin(), all.end(), name) != all.end();
}

OrderedJson merge_records(const std::vector<NamedRun>& runs) {
  OrderedJson merged = OrderedJson::object(), by_row = OrderedJson::object();
  for (const auto& [name, run] : runs) {
    if (!run.record.is_object()) return nullptr;
    for (const auto& [key, value] : run.record.items()) {
      if (is_repetition(key)) continue;
      if (!merged.contains(key)) merged[key] = value;
      if (merged[key] != value) by_row[key] = nullptr;
    }
  }
  for (const auto& [key, none] : by_row.items()) {
    merged.erase(key);
    for (const auto& [name, run] : runs) by_row[key][name] = field(run.record, key.c_str());
  }
  if (!by_row.empty()) merged["by_row"] = std::move(by_row);
  return merged;
}

// What lets accuracies differ by rounding and times by much.
std::vector<std::string> find_notes(const std::vector<NamedRun>& runs) {
  constexpr std::pair<const char*, const char*> kConditions[] = {
      {"dtype", "dtype differs"},    {"device", "device differs"}, {"cpu", "CPU differs"},
      {"threads", "threads differ"}, {"batch", "batch differs"},   {"versions", "versions differ"}};
  std::vector<std::string> notes;
  for (const auto& [what, title] : kConditions) {
    std::string each;
    bool same = true;
    for (const auto& [name, run] : runs) {
      if (run.record.is_null()) return {};
      const OrderedJson value = field(run.record, what);
      same = same && value == field(runs[0].second.record, what);
      each += (each.empty() ? "" : ", ") + name + " " + (value.is_string() ? value.get<std::string>() : value.dump());
    }
    if (!same) notes.push_back(std::string(title) + ": " + each);
  }
  return notes;
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

PairedTest paired(const std::string& against, const std::vector<Sample>& other, const std::vector<Sample>& samples) {
  PairedTest out{.against = against};
  for (size_t i = 0; i < samples.size(); ++i) {
    out.only_this += samples[i].correct && !other[i].correct;
    out.only_other += !samples[i].correct && other[i].correct;
  }
  out.p_value = mcnemar(out.only_this, out.only_other);
  return out;
}

}  // namespace

// Task, data, seed and style; of a generator not how many problems it made.
void require_same_problems(const std::vector<std::pair<std::string, OrderedJson>>& records) {
  const auto value = [](const OrderedJson& record, const char* name) {
    OrderedJson found = field(record, name);
    if (found.is_object()) found.erase("count");
    return found;
  };
  for (const auto& [name, record] : records) {
    const auto& [first_name, first] = records[0];
    if (first.is_null() || record.is_null()) continue;
    for (const char* what : {"task", "data_sha256", "generator", "style", "labels", "seed"}) {
      const OrderedJson a = value(first, what), b = value(record, what);
      require(a == b, "compare", "expected runs on the same problems but got '", what, "' of ", a.dump(), " (",
              first_name, ") and ", b.dump(), " (", name, ")");
    }
  }
}

Comparison compare(const std::vector<NamedRun>& runs, const std::string& baseline,
                   const std::map<std::string, std::string>& clean) {
  check_runs(runs, baseline);
  std::vector<std::pair<std::string, OrderedJson>> records;
  for (const auto& [name, run] : runs) records.emplace_back(name, run.record);
  require_same_problems(records);
  const std::vector<std::vector<Sample>> samples = common_samples(runs);
  Comparison out;
  out.task = out.title = runs[0].second.metrics.task;
  out.baseline = baseline;
  out.examples = std::ssize(samples[0]);
  const auto base = std::find_if(runs.begin(), runs.end(), [&](const NamedRun& r) { return r.first == baseline; });
  for (size_t r = 0; r < runs.size(); ++r) {
    const auto& [name, run] = runs[r];
    ComparisonRow row{.name = name, .metrics = score_samples(samples[r], run.metrics)};
    if (base != runs.end()) {
      const PairedTest test = paired(baseline, samples[base - runs.begin()], samples[r]);
      row.only_this = test.only_this, row.only_baseline = test.only_other, row.p_value = test.p_value;
    }
    if (const auto changed = clean.find(name); changed != clean.end()) {
      const auto other = std::ranges::find_if(runs, [&](const NamedRun& n) { return n.first == changed->second; });
      require(other != runs.end(), "compare", "expected the row '", changed->second, "' beside '", name,
              "' but got none");
      row.clean = paired(changed->second, samples[other - runs.begin()], samples[r]);
    }
    // A run's heuristics are those of all its examples.
    const bool whole = std::ssize(run.samples) == out.examples;
    if (out.heuristics.empty() && whole) out.heuristics = run.metrics.heuristics;
    if (!whole) row.metrics.heuristics.clear();
    out.rows.push_back(std::move(row));
  }
  out.notes = find_notes(runs);
  out.provenance = merge_records(runs);
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
    if (row.clean) {
      json["clean"] = {{"against", row.clean->against},
                       {"only_this", row.clean->only_this},
                       {"only_clean", row.clean->only_other},
                       {"p_value", row.clean->p_value}};
    }
    rows.push_back(std::move(json));
  }
  return {{"title", comparison.title},
          {"task", comparison.task},
          {"examples", comparison.examples},
          {"baseline", comparison.baseline},
          {"rows", rows},
          {"heuristics", to_json(comparison.heuristics)},
          {"notes", comparison.notes},
          {"provenance", comparison.provenance}};
}

}  // namespace tacit
