#include "decoding/scheduler.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
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
    feed_in_chunks(start_, {std::span<const int64_t>(prompts_[0]).first(prefix_)});
    order_.resize(prompts_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::ranges::stable_sort(order_, std::greater(), [&](int64_t i) { return prompts_[i].size(); });
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

  // Row b of the session reads tokens[b]; the first are the most.
  void feed_in_chunks(Session& session, const std::vector<std::span<const int64_t>>& tokens) const {
    const bool at_once = procedure_.reads_at_once(model_->config());
    const size_t longest = tokens[0].size(), chunk = at_once ? longest : static_cast<size_t>(options_.prefill_chunk);
    for (size_t begin = 0; begin < longest; begin += chunk) {
      TokenRows next;
      for (const auto& row : tokens) {
        const auto rest = row.subspan(std::min(begin, row.size()));
        next.emplace_back(rest.begin(), rest.begin() + std::min(chunk, rest.size()));
      }
      session.feed(next);
    }
  }

  // What a row has still to read.
  std::span<const int64_t> rest_of(int64_t problem) const {
    return std::span<const int64_t>(prompts_[problem]).subspan(prefix_);
  }

  // How many of the next prompts, `open` at the most, are read together.
  int64_t together(int64_t open) const {
    // To leave early every position is read out, over the whole vocabulary.
    const int64_t most = leaves_early(model_->config(), procedure_.exit) ? 1 : std::min(open, options_.prefill_rows);
    constexpr int64_t kPadding = 8;  // an eighth of what they are without it
    const int64_t longest = std::ssize(rest_of(order_[next_]));
    int64_t count = 0, tokens = 0;
    while (count < most) {
      const int64_t with_one_more = tokens + std::ssize(rest_of(order_[next_ + count]));
      if (longest * (count + 1) - with_one_more > with_one_more / kPadding) break;
      tokens = with_one_more;
      ++count;
    }
    return count;
  }

  // Gives every idle row the next prompt.
  void admit() {
    std::vector<int64_t> idle;
    for (int64_t b = 0; b < std::ssize(rows_); ++b) {
      if (!busy(rows_[b])) idle.push_back(b);
    }
    idle.resize(std::min(std::ssize(idle), std::ssize(prompts_) - next_));
    for (std::span<const int64_t> open = idle; !open.empty();) {
      const int64_t count = together(std::ssize(open));
      admit(open.first(count));
      open = open.subspan(count);
    }
  }

  void admit(std::span<const int64_t> rows) {
    Stopwatch watch;
    std::vector<std::span<const int64_t>> tokens;
    std::vector<int64_t> ids;
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t problem = order_[next_++];
      tokens.push_back(rest_of(problem));
      ids.push_back(options_.solve.ids.empty() ? problem : options_.solve.ids.at(problem));
      rows_[rows[i]] = {.phase = procedure_.parallel ? Phase::marker : Phase::think, .problem = problem};
    }
    Session read = start_.fork(std::vector<int64_t>(rows.size(), 0));
    feed_in_chunks(read, tokens);
    read.name_rows(ids);
    const auto count = static_cast<double>(rows.size());
    const double prefill_ms = watch.lap(read) / count;
    Thoughts parallel;
    if (procedure_.parallel) parallel = think_of(read, procedure_, options_.solve.keep_trace);
    const double think_ms = procedure_.parallel ? watch.lap(read) / count : 0;
    for (int64_t i = 0; i < std::ssize(rows); ++i) {
      Solution& solution = rows_[rows[i]].solution;
      solution.ms = {.prefill = prefill_ms, .think = think_ms};
      solution.thoughts = procedure_.parallel ? row_of(parallel, i) : Thoughts{{0}, {{}}, {0}, {}};
      solution.answers.resize(1);
      batch_.adopt(rows[i], read, i);
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
      const auto [proposal, stop] = next_step(state, think.feedback, think.halt);
      for (size_t i = 0; i < which.size(); ++i) {
        Row& row = rows_[which[i]];
        if (stop[i]) {
          row.solution.thoughts.halted[0] = 1;
          finish_thinking(row);
          continue;
        }
        require_all_or_none(think.feedback, std::ssize(row.solution.thoughts.tokens[0]), taken, proposal);
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
      answer.stopped = procedure_.stop_tokens.contains(ids[i]);
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
  std::vector<int64_t> order_;  // in which problems are begun; next_ of them have been
  Session start_;               // has been fed the shared prefix
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
  require(options.prefill_rows >= 1, "solve", "expected at least one prompt to read at a time but got ",
          options.prefill_rows);
  if (prompts.empty()) return true;
  const int64_t capacity = capacity_needed(*model, procedure, prompts, options.solve);
  require_strategy(options.solve.strategy, model->config(), procedure);
  if (!options.solve.strategy.by_rows()) return solve_one_by_one(model, procedure, prompts, options.solve, on_solved);
  const Procedure drawn = drawing(procedure, options.solve);
  return Scheduler(model, drawn, with_suffix(procedure, prompts), capacity, options).run(on_solved);
}

}  // namespace tacit
