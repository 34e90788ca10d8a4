#include "eval/task_results.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "eval/compare.h"
#include "eval/report_columns.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr const char* kReadResults = "table";

// A field of what a run, or a report of one of its rows, records; null where it does not.
using RecordedFields = std::function<Json(const char* name)>;

Json member(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return found == json.end() ? Json() : *found;
}

// What several runs of a row recorded, each value once and in order; the value alone where they agree.
Json each_once(const Json& value) {
  if (!value.is_array()) return value;
  const std::set<Json> all(value.begin(), value.end());
  return all.size() == 1 ? *all.begin() : Json(Json::array_t(all.begin(), all.end()));
}

// As `rescore` left it, where it took another file.
Json problem_field(const RecordedFields& field, const char* name) {
  const Json again = field("rescored");
  Json value = again.is_object() && again.contains(name) ? again.at(name) : field(name);
  const auto forget_count = [](Json& generator) {  // how many it could have made says nothing of those that were asked
    if (generator.is_object()) generator.erase("count");
  };
  forget_count(value);
  if (value.is_array()) {
    for (Json& one : value) forget_count(one);
  }
  return each_once(value);
}

void describe_problems(TaskResult& result, const RecordedFields& field) {
  result.problem_set = {{"task", result.metrics.task}, {"problems", result.problems}};
  for (const char* name : {"data_sha256", "examples_sha256", "generator", "style", "labels", "seed", "limit_seed"})
    result.problem_set[name] = problem_field(field, name);
  const Json data = problem_field(field, "data");
  if (data.is_string()) result.data = data.get<std::string>();
}

Json conditions_of(const RecordedFields& field) {
  Json out = Json::object();
  for (const char* name :
       {"weights_sha256", "dtype", "weights", "device", "max_answer_tokens", "scorers", "task_sha256", "prompt"})
    out[name] = field(name);
  out["rescored"] = member(field("rescored"), "scorers");
  const Json writing = field("writing"), ends = field("end_tokens");
  out["writing"] = writing.is_object()
                       ? Json{{"markers", member(writing, "markers")}, {"words at most", member(writing, "max_words")}}
                       : writing;
  const bool writes = !writing.is_null() && field("writes") != false;
  out["end_tokens"] = writes && ends.is_null() ? Json(kNotMeasured) : ends;
  const bool of_file = !field("data").is_null() && field("limit_seed").is_null();
  out["first_of"] = of_file ? field("limit_of") : Json();
  return out;
}

bool has_intervention(const std::string& method) { return method.find(" +") != method.npos; }

// "frontier" where the checkpoint thinks in its own way, "frontier, 0 thoughts" and "frontier +swap" where something of
// that was changed, "frontier-direct" where the method is another.
std::string run_row(const Run& run) {
  static const OrderedJson::json_pointer kOwn("/settings/method");
  const Metrics& m = run.metrics;
  if (!run.record.is_object() || !run.record.contains(kOwn) || !run.record.at(kOwn).is_string()) return m.model;
  const std::string own = run.record.at(kOwn).get<std::string>();
  if (m.method == own) return m.model;
  if (m.method.starts_with(own + ", ") || m.method.starts_with(own + " +"))
    return m.model + m.method.substr(own.size());
  return m.model + "-" + m.method;
}

void check_result(const TaskResult& result) {
  const Metrics& m = result.metrics;
  require(result.problems > 0 && m.examples > 0, kReadResults, "expected problems in ", result.from.string(),
          " but got ", result.problems, " and ", m.examples, " samples");
  require(m.accuracy >= 0 && m.accuracy <= 1 && m.accuracy <= m.accuracy_ci.high + 1e-9, kReadResults,
          "expected an accuracy from 0 to 1 with its interval but got ", m.accuracy, " (", m.accuracy_ci.low, " to ",
          m.accuracy_ci.high, ") of '", result.row, "' in ", result.from.string());
}

TaskResult report_row(const Json& report, const Json& row, const std::filesystem::path& folder) {
  const std::string file = (folder / "compare.json").string();
  const JsonReader in(report, kReadResults, file), row_in(row, kReadResults, file, "rows");
  TaskResult out{.from = folder, .row = row_in.string("name")};
  out.metrics = metrics_from_json(row, kReadResults, file + ", row '" + out.row + "'");
  out.metrics.task = in.string("task");
  out.problems = in.integer("examples");
  out.changed = row_in.has("clean") || has_intervention(out.metrics.method);
  out.halts_by_answer = row_in.boolean("halts_by_answer", false);
  if (row_in.has("p_holm")) {
    out.against = in.string("baseline");
    out.p_holm = row_in.number("p_holm");
  }
  const Json known = member(report, "provenance"), by_row = member(known, "by_row");
  const auto field = [&](const char* name) {
    return by_row.contains(name) ? member(by_row.at(name), out.row.c_str()) : member(known, name);
  };
  describe_problems(out, field);
  out.conditions = conditions_of(field);
  out.imported = field("imported_sha256");
  check_result(out);
  return out;
}

std::vector<TaskResult> report_rows(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "compare.json";
  const Json report = read_json(file, kReadResults);
  const bool rows = report.is_object() && report.contains("rows") && report.at("rows").is_array();
  require(rows && !report.at("rows").empty(), kReadResults, "expected the report of a comparison, with its rows, in ",
          file.string(), " but got something else");
  std::vector<TaskResult> out;
  for (Json row : report.at("rows")) {
    require(row.is_object(), kReadResults, "expected rows that are objects but got ", row.dump(), " in ",
            file.string());
    row["heuristics"] = member(report, "heuristics");  // once for all rows
    out.push_back(report_row(report, row, folder));
  }
  return out;
}

}  // namespace

TaskResult task_result(Run run, const std::filesystem::path& from) {
  TaskResult out{.from = from, .row = run_row(run), .metrics = run.metrics};
  std::set<std::string_view> ids;
  for (const Sample& sample : run.samples) ids.insert(sample.id);
  out.problems = std::ssize(ids);
  Json record = run.record;
  record["writing"] = writing_of(run.record);
  out.changed = record.contains("intervention") || has_intervention(out.metrics.method);
  out.halts_by_answer = member(record, "halt") == "oracle";
  const auto field = [&](const char* name) { return member(record, name); };
  describe_problems(out, field);
  out.conditions = conditions_of(field);
  out.imported = field("imported_sha256");
  check_result(out);
  out.run = std::move(run);
  return out;
}

std::vector<TaskResult> read_task_results(const std::filesystem::path& folder) {
  const bool report = exists(folder / "compare.json"), run = exists(folder / "run.json");
  require(is_directory(folder) && report != run, kReadResults,
          "expected the folder of a report, which has a compare.json, or of a run, which has a run.json, but got ",
          folder.string(),
          !exists(folder) ? ", which is not there"
          : report        ? ", which has both"
                          : "");
  if (report) return report_rows(folder);
  std::vector<TaskResult> out;
  out.push_back(task_result(read_run(folder), folder));
  return out;
}

bool same_evaluation(const TaskResult& a, const TaskResult& b) {
  const auto close = [](double x, double y) { return std::abs(x - y) <= 1e-9 * std::max(std::abs(x), std::abs(y)); };
  const Metrics &m = a.metrics, &n = b.metrics;
  const bool counts = m.examples == n.examples && m.correct == n.correct && m.not_extracted == n.not_extracted &&
                      m.cut_off == n.cut_off && close(m.mean_steps, n.mean_steps) &&
                      close(m.mean_tokens, n.mean_tokens);
  const bool speed = m.problems_per_s > 0 && close(m.problems_per_s, n.problems_per_s);
  const bool imported = !a.imported.is_null() && a.imported == b.imported;
  std::error_code ignored;
  return counts && (speed || imported || std::filesystem::equivalent(a.from, b.from, ignored));
}

}  // namespace tacit
