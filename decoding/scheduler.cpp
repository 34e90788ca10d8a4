#include "decoding/scheduler.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "decoding/solve_strategy.h"
#include "decoding/stopwatch.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

enum class Phase { idle, think, marker, answer, solved };

struct Row {
  Phase phase = Phase::idle;
  int64_t problem = 0;
  int64_t marker = 0;  // tokens of the answer marker fed
  Solution solution;   // of one row
  std::vector<at::Tensor> trace;
};

bool busy(const Row& row) { return row.phase != Phase::idle; }

// What one row feeds in the coming step.
struct Input {
  at::Tensor x_1D;
  int64_t token = -1;  // where the input is a token's embedding
};

int64_t shared_prefix(const TokenRows& prompts) {
  int64_t shared = std::ssize(prompts[0]);
  for (const auto& prompt : prompts) {
    const auto end = std::mismatch(prompts[0].begin(), prompts[0].begin() + shared, prompt.begin(), prompt.end()).first;
    // A prompt keeps a token of its own: where it stands is what thinking starts from.
    shared = std::min(end - prompts[0].begin(), std::ssize(prompt) - 1);
  }
  return shared;
}

class Scheduler {
 public:
  Scheduler(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, TokenRows prompts,
            int64_t capacity, const ScheduleOptions& options)
      : model_(model),
        procedure_(procedure),
        options_(options),
        prompts_(std::move(prompts)),
        start_(model, session_options(procedure, options.solve, 1, capacity)),
        batch_(model,
               session_options(procedure, options.solve, std::min(options.rows, std::ssize(prompts_)), capacity)),
        rows_(batch_.rows()) {
    prefix_ = prompts_.size() > 1 ? shared_prefix(prompts_) : 0;
    // What reads its input at once takes no pieces.
    if (procedure.reads_at_once(model->config()) || prefix_ < std::max<int64_t>(options_.shortest_prefix, 1))
      prefix_ = 0;
    feed_in_chunks(start_, {prompts_[0].data(), static_cast<size_t>(prefix_)});
  }

  bool run(const OnSolved& on_solved) {
    while (true) {
      admit();
      if (std::ranges::none_of(rows_, busy)) return true;
      Stopwatch watch;
      const std::vector<Input> inputs = next_inputs();
      step(inputs);
      share_time(watch.lap(batch_));
      for (int64_t b = 0; b < std::ssize(rows_); ++b) {
        Row& row = rows_[b];
        if (row.phase != Phase::solved) continue;
        row.phase = Phase::idle;
        if (leaves_early(model_->config(), procedure_.exit)) row.solution.mean_exits = {mean_exit(batch_, b)};
        if (!on_solved(row.problem, std::move(row.solution))) return false;
      }
    }
  }

 private:
  int64_t max_answer_tokens() const { return answer_tokens(procedure_, options_.solve); }

  void feed_in_chunks(Session& session, std::span<const int64_t> tokens) const {
    const bool at_once = procedure_.reads_at_once(model_->config());
    const size_t chunk = at_once ? tokens.size() : static_cast<size_t>(options_.prefill_chunk);
    for (size_t begin = 0; begin < tokens.size(); begin += chunk)
      session.feed(tokens.subspan(begin, std::min(chunk, tokens.size() - begin)));
  }

  // Gives every idle row the next prompt.
  void admit() {
    for (int64_t b = 0; b < std::ssize(rows_) && next_ < std::ssize(prompts_); ++b) {
      Row& row = rows_[b];
      if (row.phase != Phase::idle) continue;
      Stopwatch watch;
      Session one = start_.fork({0});
      feed_in_chunks(one, std::span<const int64_t>(prompts_[next_]).subspan(prefix_));
      one.name_rows(std::vector{options_.solve.ids.empty() ? next_ : options_.solve.ids.at(next_)});
      row = {.phase = Phase::think, .problem = next_++};
      row.solution.ms.prefill = watch.lap(one);
      row.solution.thoughts = {{0}, {{}}, {0}, {}};
      row.solution.answers.resize(1);
      if (procedure_.parallel) {
        row.solution.thoughts = think_of(one, procedure_, options_.solve.keep_trace);
        row.solution.ms.think = watch.lap(one);
        row.phase = Phase::marker;
      }
      batch_.adopt(b, one, 0);
    }
  }

  // Moves every row on to where it needs the model again. -> by row, what it then feeds
  std::vector<Input> next_inputs() {
    const at::NoGradGuard no_grad;
    std::vector<Input> inputs(rows_.size());
    propose_thoughts(inputs);
    feed_markers(inputs);
    propose_answers(inputs);
    return inputs;
  }

  void propose_thoughts(std::vector<Input>& inputs) {
    const ThinkOptions& think = procedure_.think;
    std::map<int64_t, std::vector<int64_t>> by_step;  // a feedback may look at the number of the step
    for (int64_t b = 0; b < std::ssize(rows_); ++b) {
      if (rows_[b].phase != Phase::think) continue;
      const int64_t taken = rows_[b].solution.thoughts.steps[0];
      if (taken < think.max_steps) {
        by_step[taken].push_back(b);
      } else {
        finish_thinking(rows_[b]);
      }
    }
    for (const auto& [taken, which] : by_step) {
      const StepState state = batch_.state(which, taken);
      const NextInput proposal = think.feedback.next(state);
      const std::vector<char> stop = think.halt.stop(state, proposal);
      for (size_t i = 0; i < which.size(); ++i) {
        Row& row = rows_[which[i]];
        if (stop[i]) {
          row.solution.thoughts.halted[0] = 1;
          finish_thinking(row);
          continue;
        }
        Input& input = inputs[which[i]];
        input.x_1D = proposal.input_BD.narrow(0, static_cast<int64_t>(i), 1);
        if (!proposal.tokens.empty()) input.token = proposal.tokens[i];
      }
    }
  }

  void finish_thinking(Row& row) {
    row.phase = Phase::marker;
    if (!options_.solve.keep_trace) return;
    row.solution.thoughts.trace_BKD =
        row.trace.empty() ? at::zeros({1, 0, model_->config().hidden_size},
                                      at::TensorOptions().dtype(model_->dtype()).device(model_->device()))
                          : at::stack(row.trace, 1);
    row.trace.clear();
  }

  void feed_markers(std::vector<Input>& inputs) {
    for (size_t b = 0; b < rows_.size(); ++b) {
      Row& row = rows_[b];
      if (row.phase != Phase::marker) continue;
      if (row.marker == std::ssize(procedure_.answer_marker)) {
        row.phase = Phase::answer;
      } else {
        inputs[b].token = procedure_.answer_marker[row.marker];
      }
    }
  }

  void propose_answers(std::vector<Input>& inputs) {
    std::vector<int64_t> which;
    for (int64_t b = 0; b < std::ssize(rows_); ++b) {
      if (rows_[b].phase != Phase::answer) continue;
      if (max_answer_tokens() == 0) {
        rows_[b].phase = Phase::solved;
      } else {
        which.push_back(b);
      }
    }
    if (which.empty()) return;
    const std::vector<int64_t> ids = next_tokens(which);
    for (size_t i = 0; i < which.size(); ++i) {
      Row& row = rows_[which[i]];
      Decoded& answer = row.solution.answers[0];
      answer.stopped = procedure_.stop_token && ids[i] == *procedure_.stop_token;
      if (!answer.stopped) answer.tokens.push_back(ids[i]);
      // The last token needs no step: nothing follows it.
      const auto& complete = options_.solve.complete;
      const bool last = std::ssize(answer.tokens) == max_answer_tokens() || (complete && complete(answer.tokens));
      if (answer.stopped || last) row.phase = Phase::solved;
      inputs[which[i]].token = ids[i];
    }
  }

  std::vector<int64_t> next_tokens(const std::vector<int64_t>& which) {
    const StepState state = batch_.state(which, /*step=*/0);
    const SamplingOptions& sampling = options_.solve.strategy.sampling;
    if (sampling.temperature == 0) return likeliest_tokens(state.logits_BV(), "decode");
    std::vector<Rng> rngs;
    for (size_t i = 0; i < which.size(); ++i) {
      const int64_t position = std::ssize(rows_[which[i]].solution.answers[0].tokens);
      rngs.push_back(answer_rng(options_.solve.seed, state.id(static_cast<int64_t>(i)), position));
    }
    std::vector<int64_t> ids;
    for (const TokenChoice& choice : choose_tokens(state.logits_BV(), sampling, std::move(rngs), "decode"))
      ids.push_back(choice.token);
    return ids;
  }

  // One position of every row that needs one.
  void step(const std::vector<Input>& inputs) {
    const at::NoGradGuard no_grad;
    std::vector<int64_t> tokens(rows_.size(), 0), counts(rows_.size(), 0);
    for (size_t b = 0; b < rows_.size(); ++b) {
      counts[b] = rows_[b].phase != Phase::idle && rows_[b].phase != Phase::solved;
      if (counts[b]) tokens[b] = std::max<int64_t>(inputs[b].token, 0);
    }
    if (std::ranges::count(counts, 1) == 0) return;
    const at::Tensor x_BD = model_->embed(at::tensor(tokens, at::kLong).to(model_->device()));
    for (size_t b = 0; b < rows_.size(); ++b) {
      if (counts[b] && inputs[b].x_1D.defined()) x_BD[static_cast<int64_t>(b)].copy_(inputs[b].x_1D[0]);
    }
    batch_.feed_vectors(x_BD.unsqueeze(1), counts);
    for (size_t b = 0; b < rows_.size(); ++b) {
      if (!counts[b]) continue;
      if (rows_[b].phase == Phase::think) ++batch_.notes(static_cast<int64_t>(b)).thoughts;
      record(rows_[b], inputs[b]);
    }
  }

  void record(Row& row, const Input& input) const {
    if (row.phase == Phase::marker) ++row.marker;
    if (row.phase != Phase::think) return;
    ++row.solution.thoughts.steps[0];
    if (input.token >= 0) row.solution.thoughts.tokens[0].push_back(input.token);
    if (options_.solve.keep_trace) row.trace.push_back(input.x_1D);
  }

  void share_time(double ms) {
    const double share = ms / static_cast<double>(std::ranges::count_if(rows_, busy));
    for (Row& row : rows_) {
      if (busy(row)) (row.phase == Phase::think ? row.solution.ms.think : row.solution.ms.answer) += share;
    }
  }

  std::shared_ptr<const Transformer> model_;
  const Procedure& procedure_;
  const ScheduleOptions& options_;
  TokenRows prompts_;
  int64_t prefix_ = 0, next_ = 0;
  Session start_;  // has been fed the shared prefix
  Session batch_;
  std::vector<Row> rows_;
};

bool solve_one_by_one(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                      const TokenRows& prompts, SolveOptions options, const OnSolved& on_solved) {
  const std::vector<int64_t> ids = options.ids;
  for (int64_t i = 0; i < std::ssize(prompts); ++i) {
    options.ids = {ids.empty() ? i : ids.at(i)};
    if (!on_solved(i, solve(model, procedure, {prompts[i]}, options))) return false;
  }
  return true;
}

}  // namespace

bool solve_all(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
               const ScheduleOptions& options, const OnSolved& on_solved) {
  require(options.rows >= 1, "solve", "expected at least one row but got ", options.rows);
  require(options.prefill_chunk >= 1, "solve", "expected chunks of at least one token but got ", options.prefill_chunk);
  if (prompts.empty()) return true;
  const int64_t capacity = capacity_needed(*model, procedure, prompts, options.solve);
  require_strategy(options.solve.strategy, model->config(), procedure);
  if (!options.solve.strategy.by_rows()) return solve_one_by_one(model, procedure, prompts, options.solve, on_solved);
  const Procedure drawn = drawing(procedure, options.solve);
  return Scheduler(model, drawn, with_suffix(procedure, prompts), capacity, options).run(on_solved);
}

}  // namespace tacit
