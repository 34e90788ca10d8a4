#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/run.h"

namespace tacit {

struct ImportOptions {
  std::filesystem::path file;        // lm-evaluation-harness's samples_TASK_DATE.jsonl (--log_samples)
  std::string task;                  // what the samples answer; "" = the file's own documents are the examples
  std::filesystem::path data;        // of the task
  std::vector<std::string> scorers;  // names; empty = the task's, or by what the file holds (see below)
  std::filesystem::path out;         // the run's folder; must not hold a run
  OrderedJson command;               // recorded in run.json
};

// Makes a run folder of samples that lm-evaluation-harness wrote, and scores them here: its generated texts, or the
// likelihoods of its choices. Each of the harness's own filters is kept as a scorer "harness:FILTER" beside ours, with
// the answer it extracted and its verdict. Repeats of a document are kept apart. Without a task the examples are the
// file's documents: prompt, target and choices as it has them, scored by choice_likelihood and its normalised forms, or
// by numeric and exact_match. With one, sample doc_id is example doc_id of the task; fails where the target is not that
// example's answer. What the file does not hold (thoughts, times, FLOPs) is 0.
Run import_samples(const ImportOptions& options);

}  // namespace tacit
