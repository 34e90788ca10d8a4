#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "eval/task_table.h"
#include "tests/eval/compare_support.h"

namespace tacit {

// As hand_made(), of another task without rules unless it is reach; `record` as eval/run_record.cpp would write it.
inline Run task_run(const std::string& model, const std::string& right, const std::string& task = "reach",
                    const OrderedJson& record = record_of("w")) {
  Run run = hand_made(model, right);
  for (Sample& sample : run.samples) sample.task = task;
  run.metrics.task = task;
  if (task != "reach") run.metrics.heuristics.clear();
  run.record = record;
  if (!record.contains("weights")) run.record["weights"] = "dtype";  // as read_run() has it
  return run;
}

inline OrderedJson file_record(const std::string& file, const OrderedJson& more = OrderedJson::object()) {
  OrderedJson out = record_of("w", {{"generator", nullptr}, {"seed", nullptr}, {"data", file}, {"data_sha256", file}});
  out.update(more);
  return out;
}

inline std::filesystem::path write_run(const std::filesystem::path& folder, const Run& run) {
  std::filesystem::create_directories(folder);
  std::string samples;
  for (const Sample& sample : run.samples) samples += to_json(sample).dump() + "\n";
  put(folder / "samples.jsonl", samples);
  put(folder / "metrics.json", to_json(run.metrics).dump());
  put(folder / "run.json", run.record.dump());
  return folder;
}

inline std::filesystem::path write_report(const std::filesystem::path& folder, const Comparison& comparison) {
  std::filesystem::create_directories(folder);
  put(folder / "compare.json", to_json(comparison).dump());
  return folder;
}

inline std::vector<TaskResult> results_of(const std::vector<std::filesystem::path>& folders) {
  std::vector<TaskResult> out;
  for (const auto& folder : folders) {
    for (TaskResult& result : read_task_results(folder)) out.push_back(std::move(result));
  }
  return out;
}

inline std::vector<std::string> column_names(const std::vector<Run>& runs) {
  std::vector<TaskResult> results;
  for (size_t i = 0; i < runs.size(); ++i) results.push_back(task_result(runs[i], "run-" + std::to_string(i)));
  std::vector<std::string> out;
  for (const TaskColumn& column : task_table(std::move(results)).columns) out.push_back(column.name);
  return out;
}

inline bool has_note(const TaskTable& table, const std::string& note) {
  return std::ranges::find(table.notes, note) != table.notes.end();
}

// A report on reach, with rules and tests, and two runs on another task.
inline TaskTable small_table(const ScratchFolder& scratch) {
  const Comparison reach = compare({{"frontier", task_run("frontier", "1111111111111101")},
                                    {"cot", task_run("cot", "1100110000110001")},
                                    {"direct", task_run("direct", "0000111100001111")}},
                                   "cot");
  return task_table(results_of(
      {write_report(scratch / "report", reach),
       write_run(scratch / "a", task_run("frontier", "1111", "snarks", file_record("snarks.json"))),
       write_run(scratch / "b", task_run("cot", "1100", "snarks", file_record("snarks.json", {{"dtype", "bf16"}})))}));
}

}  // namespace tacit
