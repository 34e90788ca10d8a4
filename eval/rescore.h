#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/run.h"
#include "eval/sample.h"
#include "eval/task.h"

namespace tacit {

// Scores the sample's text (or its choices' likelihoods) by the task's scorers: answer, extracted, correct and scores.
// Needs no model.
void score(Sample& sample, const Example& example, const Task& task);

struct RescoreOptions {
  std::string task;                  // "" = the run's own
  std::filesystem::path data;        // in place of the file that run.json names; empty = that file
  std::vector<std::string> scorers;  // names, in place of the task's; empty = the task's
  bool dry = false;                  // nothing is written
};

// What the first scorer says otherwise than before.
struct ScoreChange {
  std::string id;
  int64_t repeat = 0;
  Score before, after;
};

struct Rescored {
  Metrics before;
  Run run;  // as it is now
  std::vector<ScoreChange> changes;
};

// Scores a finished run anew, without its model, alone at its folder: samples.jsonl and metrics.json are rewritten,
// each atomically, and run.json notes by what (`rescored`), while it lasts as unfinished: read_run() then refuses the
// folder. Measured figures (times, FLOPs, steps, thoughts) and texts stay as they are. The examples are those that
// run.json names: the generator's, the data file of the same hash, or for an imported run its own examples.jsonl. Fails
// where they are no longer the same, unless options.data gives another file; then `expected` is what that file says.
// Fails on a sample whose id the examples lack.
Rescored rescore(const std::filesystem::path& folder, const RescoreOptions& options = {});

}  // namespace tacit
