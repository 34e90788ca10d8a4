#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "eval/problems.h"
#include "eval/run.h"
#include "eval/run_folder.h"

namespace tacit {

// An evaluation in steps, for a caller who has several: all are checked before the first solves anything, and all are
// timed in turn.
class Evaluation {
 public:
  // Refuses what can be refused without the run's folder. `model` must outlive it.
  Evaluation(const LoadedModel& model, RunOptions options, ProgressCallback progress = {});
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  const OrderedJson& record() const { return record_; }  // of run.json; null where a model in memory has no hash
  void open();                          // the run's folder, where one is wanted: made new, or that of the same run
  void solve();                         // opens, then solves what no earlier session solved
  std::vector<Sample> samples() const;  // in the task's order, once all are solved

 private:
  friend std::vector<Run> finish(std::deque<Evaluation>& evaluations, const ProgressCallback& progress);

  void take_earlier(std::vector<Sample> earlier);
  void keep(int64_t i, Sample sample);
  void prepare();
  void solve_wave(const std::vector<int64_t>& wave);
  int64_t problems_to_time() const;
  void warm_up() const;
  void time(int64_t i);
  Run finish();
  [[noreturn]] void stop() const;

  const LoadedModel& model_;
  const RunOptions options_;
  const ProgressCallback progress_;
  Problems problems_;
  bool open_ = false;
  OrderedJson record_;
  std::optional<RunFolder> folder_;
  std::optional<Run> finished_;                 // by an earlier session
  std::vector<std::optional<Sample>> samples_;  // by problem
  std::vector<PhaseTimes> times_;               // of problems alone
  int64_t done_ = 0, correct_ = 0;
};

// Times each evaluation's first `latency_problems` alone: problem by problem, every evaluation in turn and another one
// first each time, so that a slow minute of the machine falls on all alike. Then stores and returns the runs.
std::vector<Run> finish(std::deque<Evaluation>& evaluations, const ProgressCallback& progress = {});

}  // namespace tacit
