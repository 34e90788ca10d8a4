#include "eval/run.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "eval/problems.h"
#include "eval/run_folder.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

// One call of evaluate(): the problems, and which of them are solved.
class Evaluation {
 public:
  Evaluation(const LoadedModel& model, const RunOptions& options, const ProgressCallback& progress)
      : options_(options), progress_(progress), problems_(model, options), samples_(problems_.size()) {}

  Run run() {
    if (!options_.out.empty()) {
      folder_.emplace(options_.out, to_json(problems_.record()));
      take_earlier(folder_->samples());
      if (folder_->has_metrics() && done_ == problems_.size()) return read_run(options_.out);
    }
    solve_in_batches();
    Run run;
    for (auto& sample : samples_) run.samples.push_back(std::move(*sample));
    if (folder_) folder_->store(run.samples);
    run.metrics = score_samples(run.samples, time_alone());
    if (folder_) folder_->store(run.metrics);
    return run;
  }

 private:
  void take_earlier(std::vector<Sample> earlier) {
    std::unordered_map<std::string, int64_t> place;
    for (int64_t i = 0; i < problems_.size(); ++i) place[problems_.example(i).id] = i;
    for (size_t n = 0; n < earlier.size(); ++n) {
      Sample& sample = earlier[n];
      const auto found = place.find(sample.id);
      const bool ours =
          sample.task == problems_.task_name() && sample.method == problems_.method_name() && sample.repeat == 0;
      require(found != place.end() && ours && !samples_[found->second], "evaluate",
              "expected one sample for each problem of task '", problems_.task_name(), "' and method '",
              problems_.method_name(), "' but got ", sample.task, ", ", sample.id, ", repeat ", sample.repeat, ", ",
              sample.method, ours && found != place.end() ? " a second time" : "", " in ",
              (options_.out / "samples.jsonl").string(), ", line ", n + 1);
      keep(found->second, std::move(sample));
    }
  }

  void keep(int64_t i, Sample sample) {
    correct_ += sample.correct;
    ++done_;
    samples_[i] = std::move(sample);
  }

  // Batches are cut from the whole order, also when resuming: a half-solved one is solved again as a whole, because the
  // last bits of a result may depend on the shape of the batch.
  void solve_in_batches() {
    std::vector<int64_t> order(problems_.size());
    std::iota(order.begin(), order.end(), 0);
    if (options_.shuffle) order = Rng(*options_.shuffle).permutation(problems_.size());
    for (size_t begin = 0; begin < order.size(); begin += options_.batch) {
      const size_t end = std::min(order.size(), begin + options_.batch);
      const std::vector<int64_t> batch(order.begin() + begin, order.begin() + end);
      if (std::all_of(batch.begin(), batch.end(), [&](int64_t i) { return samples_[i].has_value(); })) continue;
      if (!warm_) problems_.solve({batch[0]});  // the first pass through a model is slow
      warm_ = true;
      solve_batch(batch);
      report("eval", done_, problems_.size(), "accuracy " + share_text(static_cast<double>(correct_) / done_));
    }
  }

  void solve_batch(const std::vector<int64_t>& batch) {
    std::vector<Sample> solved = problems_.solve(batch), fresh;
    for (size_t b = 0; b < batch.size(); ++b) {
      if (samples_[batch[b]]) continue;
      fresh.push_back(solved[b]);
      keep(batch[b], std::move(solved[b]));
    }
    if (folder_) folder_->append(fresh);
  }

  // Problems one at a time, after one that warms up.
  Metrics time_alone() {
    Metrics out = problems_.describe();
    const int64_t count = std::min(options_.latency_problems, problems_.size());
    std::vector<double> total, prefill, think, answer;
    for (int64_t i = count > 0 ? -1 : 0; i < count; ++i) {
      const PhaseTimes ms = problems_.time(std::max<int64_t>(i, 0));
      if (i < 0) continue;
      total.push_back(ms.total());
      prefill.push_back(ms.prefill);
      think.push_back(ms.think);
      answer.push_back(ms.answer);
      report("time", i + 1, count, "one at a time");
    }
    if (count == 0) return out;
    out.ms_median = quantile(total, .5);
    out.ms_p95 = quantile(total, .95);
    out.ms_prefill = quantile(prefill, .5);
    out.ms_think = quantile(think, .5);
    out.ms_answer = quantile(answer, .5);
    return out;
  }

  void report(const char* verb, int64_t done, int64_t total, std::string detail) const {
    if (!progress_) return;
    const std::string what = std::string(verb) + " " + problems_.task_name() + " " + problems_.method_name();
    if (progress_({what, done, total, std::move(detail)})) return;
    throw Interrupted("evaluate", "stopped after " + std::to_string(done_) + " of " + std::to_string(problems_.size()) +
                                      " problems" +
                                      (folder_ ? "; the same command goes on from " + options_.out.string() : ""));
  }

  const RunOptions& options_;
  const ProgressCallback& progress_;
  Problems problems_;
  std::optional<RunFolder> folder_;
  std::vector<std::optional<Sample>> samples_;  // by problem
  int64_t done_ = 0, correct_ = 0;
  bool warm_ = false;
};

}  // namespace

TaskOptions task_options_of(const MethodSettings& settings) {
  TaskOptions options;
  require(settings.style.empty() || settings.style == "symbols" || settings.style == "english", "task_options",
          "expected style symbols or english but got '", settings.style, "'");
  options.reach.style = settings.style == "english" ? ReachStyle::english : ReachStyle::symbols;
  options.reach.labels = settings.labels;
  return options;
}

Run evaluate(const LoadedModel& model, const RunOptions& options, const ProgressCallback& progress) {
  require(options.batch >= 1, "evaluate", "expected a batch of at least 1 but got ", options.batch);
  require(options.latency_problems >= 0, "evaluate", "expected latency_problems of at least 0 but got ",
          options.latency_problems);
  return Evaluation(model, options, progress).run();
}

}  // namespace tacit
