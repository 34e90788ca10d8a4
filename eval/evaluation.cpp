#include "eval/evaluation.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "eval/shards.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {

static RunOptions checked(RunOptions options) {
  require(options.batch >= 1, "evaluate", "expected a batch of at least 1 but got ", options.batch);
  require(options.latency_problems >= 0, "evaluate", "expected latency_problems of at least 0 but got ",
          options.latency_problems);
  require(options.repeats >= 1 && options.repeats < int64_t{1} << 31, "evaluate",
          "expected 1 to 2^31 - 1 samples a problem ('repeats') but got ", options.repeats);
  require(options.ranks >= 1 && options.rank >= 0 && options.rank < options.ranks, "evaluate",
          "expected a rank below the number of processes but got ", options.rank, " of ", options.ranks);
  require(options.ranks == 1 || !options.out.empty(), "evaluate",
          "expected a folder for a run that several processes share but got none");
  return options;
}

// Seeds of repeats lie far apart, so that a run of the next seed repeats none of them.
static RunOptions of_repeat(RunOptions options, int64_t repeat) {
  options.seed += static_cast<uint64_t>(repeat) << 32;
  return options;
}

// Whether no kill has cut into the file's last line.
static bool ends_with_whole_line(const std::filesystem::path& file) {
  if (!exists(file)) return false;
  const std::string text = read_file(file, kEvaluateOperation);
  return text.empty() || text.ends_with('\n');
}

Evaluation::Evaluation(const LoadedModel& model, RunOptions options, ProgressCallback progress)
    : model_(model), options_(checked(std::move(options))), progress_(std::move(progress)) {
  for (int64_t repeat = 0; repeat < options_.repeats; ++repeat) {
    repeats_.push_back(of_repeat(options_, repeat));
    problems_.emplace_back(model, repeats_.back());
  }
  for (int64_t i = 0; i < first().size(); ++i) number_[first().example(i).id] = i;
  samples_.resize(options_.repeats * first().size());
  const bool hashed = !model_.weights_sha256.empty() || std::filesystem::is_directory(model_.directory);
  if (hashed || !options_.out.empty()) record_ = to_json(first().record());
}

void Evaluation::open() {
  if (open_) return;
  open_ = true;
  if (options_.out.empty() || take_finished()) return;
  const auto& run = options_.out;
  const bool alone = options_.ranks == 1;
  if (exists(run / "run.json")) require_same_run(record_, run / "run.json");
  require_own_scores();
  folder_ = std::make_unique<RunFolder>(alone ? run : shard_folder(run, options_.rank, options_.ranks), record_);
  if (take_finished()) {  // by another process meanwhile, or a torn line was all that was wrong
    folder_.reset();
    return;
  }
  if (exists(run / "samples.jsonl")) take_earlier(finished_samples(run / "samples.jsonl", kEvaluateOperation));
  take_shards();
}

bool Evaluation::whole_run_is_there() const {
  const auto run_file = options_.out / "run.json", samples_file = options_.out / "samples.jsonl";
  if (!exists(options_.out / "metrics.json") || !exists(run_file) || !ends_with_whole_line(samples_file)) return false;
  require_same_run(record_, run_file);
  return std::ssize(finished_samples(samples_file, kEvaluateOperation)) == size();
}

// A finished run is read without a lock: by several at once, and where nobody can write.
bool Evaluation::take_finished() {
  if (!whole_run_is_there()) return false;
  take_earlier(finished_samples(options_.out / "samples.jsonl", kEvaluateOperation));
  finished_ = read_run(options_.out);
  finished_->finished_before = true;
  return true;
}

// What is missing of a run that was scored again would be scored by the rule of before.
void Evaluation::require_own_scores() const {
  const auto run_file = options_.out / "run.json", samples_file = options_.out / "samples.jsonl";
  if (!exists(run_file) || !read_record(run_file, kEvaluateOperation).contains("rescored")) return;
  const int64_t there = exists(samples_file) ? std::ssize(finished_samples(samples_file, kEvaluateOperation)) : 0;
  require(there == size(), kEvaluateOperation, "expected all ", size(),
          " samples of a run that was scored again but got ", there, " whole lines in ", samples_file.string(),
          "; put the file back as it was, or choose another folder");
}

int64_t Evaluation::place_of(const Sample& sample, const std::string& source) const {
  const auto found = number_.find(sample.id);
  const bool ours = sample.task == first().task_name() && sample.method == first().method_name() &&
                    sample.repeat >= 0 && sample.repeat < options_.repeats;
  require(found != number_.end() && ours, "evaluate", "expected one sample for each problem of task '",
          first().task_name(), "' and method '", first().method_name(), "' but got ", sample.task, ", ", sample.id,
          ", repeat ", sample.repeat, ", ", sample.method, " in ", source);
  return place(sample.repeat, found->second);
}

void Evaluation::take_earlier(std::vector<Sample> earlier) {
  for (size_t n = 0; n < earlier.size(); ++n) {
    Sample& sample = earlier[n];
    const std::string source = (options_.out / "samples.jsonl").string() + ", line " + std::to_string(n + 1);
    const int64_t place = place_of(sample, source);
    require(!samples_[place], "evaluate", "expected one sample for each problem but got ", sample.task, ", ", sample.id,
            ", repeat ", sample.repeat, ", ", sample.method, " a second time in ", source);
    keep(place, std::move(sample));
  }
}

// What several processes solved; some of it may be merged already, or solved by another number of processes as well.
void Evaluation::take_shards() {
  for (Sample& sample : shard_samples(options_.out, record_)) {
    const int64_t place = place_of(sample, "the shards in " + options_.out.string());
    if (!samples_[place]) keep(place, std::move(sample));
  }
}

void Evaluation::keep(int64_t place, Sample sample) {
  correct_ += sample.correct;
  ++done_;
  samples_[place] = std::move(sample);
}

// Waves are cut from the whole order, also when resuming: a half-solved one is solved again as a whole, because the
// last bits of a result may depend on the rows beside it. For the same reason processes share whole waves.
std::vector<Evaluation::Wave> Evaluation::waves() const {
  const int64_t count = first().size();
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (options_.shuffle) order = Rng(*options_.shuffle).permutation(count);
  constexpr int64_t kBatches = 4;  // of a wave: within it rows that are done make room for the next problem
  const int64_t length = kBatches * std::min(options_.batch, std::max<int64_t>(count, 1));
  std::vector<Wave> out;
  for (int64_t repeat = 0; repeat < options_.repeats; ++repeat) {
    for (int64_t begin = 0; begin < count; begin += length) {
      const int64_t end = std::min(begin + length, count);
      out.push_back({repeat, {order.begin() + begin, order.begin() + end}});
    }
  }
  return out;
}

void Evaluation::solve() {
  open();
  if (finished_) return;
  prepare(0);
  const std::vector<Wave> all = waves();
  bool warm = false;
  for (int64_t w = options_.rank; w < std::ssize(all); w += options_.ranks) {
    const Wave& wave = all[w];
    if (std::ranges::all_of(wave.problems, [&](int64_t i) { return samples_[place(wave.repeat, i)].has_value(); }))
      continue;
    prepare(wave.repeat);
    const int64_t rows = std::min(options_.batch, std::ssize(wave.problems));
    const std::vector<int64_t> some(wave.problems.begin(), wave.problems.begin() + rows);
    if (!warm) problems_[wave.repeat].solve(some, [](int64_t, const Sample&) { return true; });
    warm = true;  // the first pass in a shape is slow
    solve_wave(wave);
  }
  if (options_.ranks > 1) take_shards();
}

void Evaluation::prepare(int64_t repeat) {
  const bool all = problems_[repeat].prepare([&](int64_t done, int64_t total) {
    return !progress_ || progress_({"prepare " + first().task_name() + " " + first().method_name(), done, total, ""});
  });
  if (!all) stop();
}

void Evaluation::solve_wave(const Wave& wave) {
  std::vector<Sample> fresh;
  const auto flush = [&] {
    if (fresh.empty()) return true;
    if (folder_) folder_->append(std::exchange(fresh, {}));
    fresh.clear();
    const Progress progress = {"eval " + first().task_name() + " " + first().method_name(), done_, size(),
                               "accuracy " + share_text(static_cast<double>(correct_) / static_cast<double>(done_))};
    return !progress_ || progress_(progress);
  };
  const bool all = problems_[wave.repeat].solve(wave.problems, [&](int64_t i, Sample sample) {
    const int64_t where = place(wave.repeat, i);
    if (samples_[where]) return true;
    sample.repeat = wave.repeat;
    fresh.push_back(sample);
    keep(where, std::move(sample));
    return std::ssize(fresh) < options_.batch || flush();
  });
  if (!all || !flush()) stop();
}

std::vector<Sample> Evaluation::samples() const {
  if (finished_) return finished_->samples;
  std::vector<Sample> out;
  for (const auto& sample : samples_) {
    require(sample.has_value(), "evaluate", "expected every problem to be solved but got ", done_, " of ", size());
    out.push_back(*sample);
  }
  return out;
}

int64_t Evaluation::problems_to_time() const {
  return finished_ || (open_ && options_.ranks > 1 && !complete())
             ? 0
             : std::min(options_.latency_problems, first().size());
}

// With the longest question, so that no timed one meets a shape for which memory is still to be found.
void Evaluation::warm_up() const {
  const int64_t count = problems_to_time();
  int64_t longest = -1;
  for (int64_t i = 0; i < count; ++i) {
    if (first().too_long(i)) continue;
    if (longest < 0 || first().prompt_tokens(i) > first().prompt_tokens(longest)) longest = i;
  }
  if (longest >= 0) first().time(longest);
}

void Evaluation::time(int64_t i) {
  if (!first().too_long(i)) times_.push_back(first().time(i));
}

Run Evaluation::finish() {
  if (finished_) return *finished_;
  if (options_.ranks > 1 && !complete()) return so_far();
  Run run{.metrics = first().describe(), .samples = samples(), .record = record_};
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
  // The whole run's. Processes that end together have the same to write: one of them does.
  if (options_.ranks > 1) {
    folder_ = RunFolder::if_free(options_.out, record_);
    if (folder_ && whole_run_is_there()) {  // another was first, and it may have been scored again since
      Run there = read_run(options_.out);
      folder_.reset();
      return there;
    }
  }
  if (folder_) folder_->store(run.samples);
  run.metrics = score_samples(run.samples, run.metrics);
  if (folder_) folder_->store(run.metrics);
  folder_.reset();
  return run;
}

Run Evaluation::so_far() const {
  Run run{.metrics = first().describe(), .samples = {}, .record = record_, .complete = false};
  for (const auto& sample : samples_) {
    if (sample) run.samples.push_back(*sample);
  }
  if (!run.samples.empty()) run.metrics = score_samples(run.samples, run.metrics);
  return run;
}

void Evaluation::stop() const {
  throw Interrupted("evaluate", "stopped after " + std::to_string(done_) + " of " + std::to_string(size()) +
                                    " problems" +
                                    (folder_ ? "; the same command goes on from " + options_.out.string() : ""));
}

std::vector<Run> finish(std::deque<Evaluation>& evaluations, const ProgressCallback& progress) {
  require(!evaluations.empty(), "evaluate", "expected at least one evaluation");
  const Evaluation& first = evaluations.front();
  const size_t turns = evaluations.size();
  const std::string what = "time " + first.first().task_name() + " " +
                           (turns == 1 ? first.first().method_name() : std::to_string(turns) + " in turn");
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
