#include "eval/evaluation.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {

static RunOptions checked(RunOptions options) {
  require(options.batch >= 1, "evaluate", "expected a batch of at least 1 but got ", options.batch);
  require(options.latency_problems >= 0, "evaluate", "expected latency_problems of at least 0 but got ",
          options.latency_problems);
  return options;
}

Evaluation::Evaluation(const LoadedModel& model, RunOptions options, ProgressCallback progress)
    : model_(model),
      options_(checked(std::move(options))),
      progress_(std::move(progress)),
      problems_(model, options_),
      samples_(problems_.size()) {
  const bool hashed = !model_.weights_sha256.empty() || std::filesystem::is_directory(model_.directory);
  if (hashed || !options_.out.empty()) record_ = to_json(problems_.record());
}

void Evaluation::open() {
  if (open_) return;
  open_ = true;
  if (options_.out.empty()) return;
  folder_.emplace(options_.out, record_);
  take_earlier(folder_->samples());
  if (folder_->has_metrics() && done_ == problems_.size()) finished_ = read_run(options_.out);
}

void Evaluation::take_earlier(std::vector<Sample> earlier) {
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

void Evaluation::keep(int64_t i, Sample sample) {
  correct_ += sample.correct;
  ++done_;
  samples_[i] = std::move(sample);
}

// Waves are cut from the whole order, also when resuming: a half-solved one is solved again as a whole, because the
// last bits of a result may depend on the rows beside it.
void Evaluation::solve() {
  open();
  if (finished_) return;
  prepare();
  std::vector<int64_t> order(problems_.size());
  std::iota(order.begin(), order.end(), 0);
  if (options_.shuffle) order = Rng(*options_.shuffle).permutation(problems_.size());
  constexpr int64_t kBatches = 4;  // of a wave: within it rows that are done make room for the next problem
  const int64_t batch = std::min(options_.batch, std::max<int64_t>(problems_.size(), 1)), length = kBatches * batch;
  const auto cut = [&](int64_t begin, int64_t length) {
    const int64_t end = begin + std::min(length, std::ssize(order) - begin);
    return std::vector<int64_t>(order.begin() + begin, order.begin() + end);
  };
  bool warm = false;
  for (int64_t begin = 0; begin < std::ssize(order); begin += length) {
    const std::vector<int64_t> wave = cut(begin, length);
    if (std::ranges::all_of(wave, [&](int64_t i) { return samples_[i].has_value(); })) continue;
    if (!warm) problems_.solve(cut(begin, batch), [](int64_t, const Sample&) { return true; });
    warm = true;  // the first pass in a shape is slow
    solve_wave(wave);
  }
}

void Evaluation::prepare() {
  const bool all = problems_.prepare([&](int64_t done, int64_t total) {
    return !progress_ ||
           progress_({"prepare " + problems_.task_name() + " " + problems_.method_name(), done, total, ""});
  });
  if (!all) stop();
}

void Evaluation::solve_wave(const std::vector<int64_t>& wave) {
  std::vector<Sample> fresh;
  const auto flush = [&] {
    if (fresh.empty()) return true;
    if (folder_) folder_->append(std::exchange(fresh, {}));
    fresh.clear();
    const Progress progress = {"eval " + problems_.task_name() + " " + problems_.method_name(), done_, problems_.size(),
                               "accuracy " + share_text(static_cast<double>(correct_) / static_cast<double>(done_))};
    return !progress_ || progress_(progress);
  };
  const bool all = problems_.solve(wave, [&](int64_t i, Sample sample) {
    if (samples_[i]) return true;
    fresh.push_back(sample);
    keep(i, std::move(sample));
    return std::ssize(fresh) < options_.batch || flush();
  });
  if (!all || !flush()) stop();
}

std::vector<Sample> Evaluation::samples() const {
  if (finished_) return finished_->samples;
  std::vector<Sample> out;
  for (const auto& sample : samples_) {
    require(sample.has_value(), "evaluate", "expected every problem to be solved but got ", done_, " of ",
            problems_.size());
    out.push_back(*sample);
  }
  return out;
}

int64_t Evaluation::problems_to_time() const {
  return finished_ ? 0 : std::min(options_.latency_problems, problems_.size());
}

// With the longest question, so that no timed one meets a shape for which memory is still to be found.
void Evaluation::warm_up() const {
  const int64_t count = problems_to_time();
  int64_t longest = 0;
  for (int64_t i = 1; i < count; ++i) {
    if (problems_.prompt_tokens(i) > problems_.prompt_tokens(longest)) longest = i;
  }
  if (count > 0) problems_.time(longest);
}

void Evaluation::time(int64_t i) { times_.push_back(problems_.time(i)); }

Run Evaluation::finish() {
  if (finished_) return *finished_;
  Run run{.metrics = problems_.describe(), .samples = samples(), .record = record_};
  const auto quantile_of = [&](double q, auto&& ms) {
    std::vector<double> values;
    for (const PhaseTimes& times : times_) values.push_back(ms(times));
    return values.empty() ? 0 : quantile(std::move(values), q);
  };
  run.metrics.ms_median = quantile_of(.5, [](const PhaseTimes& t) { return t.total(); });
  run.metrics.ms_p95 = quantile_of(.95, [](const PhaseTimes& t) { return t.total(); });
  run.metrics.ms_prefill = quantile_of(.5, [](const PhaseTimes& t) { return t.prefill; });
  run.metrics.ms_think = quantile_of(.5, [](const PhaseTimes& t) { return t.think; });
  run.metrics.ms_answer = quantile_of(.5, [](const PhaseTimes& t) { return t.answer; });
  if (folder_) folder_->store(run.samples);
  run.metrics = score_samples(run.samples, run.metrics);
  if (folder_) folder_->store(run.metrics);
  return run;
}

void Evaluation::stop() const {
  throw Interrupted("evaluate", "stopped after " + std::to_string(done_) + " of " + std::to_string(problems_.size()) +
                                    " problems" +
                                    (folder_ ? "; the same command goes on from " + options_.out.string() : ""));
}

std::vector<Run> finish(std::deque<Evaluation>& evaluations, const ProgressCallback& progress) {
  require(!evaluations.empty(), "evaluate", "expected at least one evaluation");
  const Evaluation& first = evaluations.front();
  const size_t turns = evaluations.size();
  const std::string what = "time " + first.problems_.task_name() + " " +
                           (turns == 1 ? first.problems_.method_name() : std::to_string(turns) + " in turn");
  int64_t count = 0;
  for (const Evaluation& evaluation : evaluations) {
    evaluation.warm_up();
    count = std::max(count, evaluation.problems_to_time());
  }
  for (int64_t i = 0; i < count; ++i) {
    for (size_t turn = 0; turn < turns; ++turn) {
      Evaluation& evaluation = evaluations[(static_cast<size_t>(i) + turn) % turns];
      if (i < evaluation.problems_to_time()) evaluation.time(i);
    }
    if (progress && !progress({what, i + 1, count, "one at a time"})) first.stop();
  }
  std::vector<Run> runs;
  for (Evaluation& evaluation : evaluations) runs.push_back(evaluation.finish());
  return runs;
}

}  // namespace tacit
