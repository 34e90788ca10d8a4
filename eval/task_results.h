#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/run.h"

namespace tacit {

// What a finished evaluation says of one row on one set of problems: a run, or a row of a report.
struct TaskResult {
  std::filesystem::path from;    // the folder that says it
  std::string row;               // as in the report; of a run as compare would name it
  Metrics metrics;               // with the rules of the report
  int64_t problems = 0;          // metrics.examples counts samples
  bool changed = false;          // its thoughts were replaced
  bool halts_by_answer = false;  // its halting rule read the reference answer
  Json problem_set;     // task, number, hash of the data, generator, seed, ..: alike where the problems are, as far as
                        // known
  std::string data;     // the name of their file; "" where they are generated, of several files, or not known
  Json conditions;      // how they were asked, scored and computed; null where that is not known
  Json imported;        // hash of the other harness's file that it is of; null = of none
  std::string against;  // the row that it was tested against; "" = none
  double p_holm = 1;    // of that test, after Holm's correction within the report
  std::optional<Run> run;  // where the folder is a run's
};

// Of the folder of a report one a row, of a run's folder one. Fails on other folders, on runs that were not finished
// and on those whose rescoring was stopped.
std::vector<TaskResult> read_task_results(const std::filesystem::path& folder);

// Of a run that is in memory; `from` is what errors call it.
TaskResult task_result(Run run, const std::filesystem::path& from);

// Whether both are of one run, or report, although they were found in two places: by its counts, and its speed, which
// no other has, or where it was imported the file.
bool same_evaluation(const TaskResult& a, const TaskResult& b);

}  // namespace tacit
