#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
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
  std::vector<Sample> samples() const;  // in the task's order, once all are solved; repeat by repeat

  int64_t size() const { return std::ssize(samples_); }  // samples: problems times repeats
  int64_t done() const { return done_; }                 // solved, here and in earlier sessions
  int64_t problems_to_time() const;                      // alone, by finish()

 private:
  friend std::vector<Run> finish(std::deque<Evaluation>& evaluations, const ProgressCallback& progress);

  // Problems that are solved together, with the running batch.
  struct Wave {
    int64_t repeat;
    std::vector<int64_t> problems;
  };
  std::vector<Wave> waves() const;

  const Problems& first() const { return problems_.front(); }
  int64_t place(int64_t repeat, int64_t problem) const { return repeat * first().size() + problem; }
  bool complete() const { return done_ == size(); }
  bool whole_run_is_there() const;
  bool take_finished();
  void require_own_scores() const;
  void take_earlier(std::vector<Sample> earlier);
  void take_shards();
  int64_t place_of(const Sample& sample, const std::string& source) const;
  void keep(int64_t place, Sample sample);
  void prepare(int64_t repeat);
  void solve_wave(const Wave& wave);
  void warm_up() const;
  void time(int64_t i);
  Run finish();
  Run so_far() const;
  [[noreturn]] void stop() const;

  const LoadedModel& model_;
  const RunOptions options_;
  const ProgressCallback progress_;
  std::deque<RunOptions> repeats_;                   // by repeat: the options, with a seed of its own
  std::deque<Problems> problems_;                    // the same problems, by repeat
  std::unordered_map<std::string, int64_t> number_;  // of a problem, by id
  bool open_ = false;
  OrderedJson record_;
  std::unique_ptr<RunFolder> folder_;
  std::optional<Run> finished_;                 // by an earlier session
  std::vector<std::optional<Sample>> samples_;  // by place()
  std::vector<PhaseTimes> times_;               // of problems alone
  int64_t done_ = 0, correct_ = 0;
};

// Times each evaluation's first `latency_problems` alone: problem by problem, every evaluation in turn and another one
// first each time, so that a slow minute of the machine falls on all alike. Then stores and returns the runs.
std::vector<Run> finish(std::deque<Evaluation>& evaluations, const ProgressCallback& progress = {});

}  // namespace tacit
