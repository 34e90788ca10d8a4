#include "decoding/choice.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/logsumexp.h>

#include <algorithm>

#include "decoding/solve_strategy.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr const char* kChoose = "choose";

// log p of these ids, each by the logits of its own row, in fp64.
std::vector<double> log_probabilities(const at::Tensor& logits_NV, const std::vector<int64_t>& ids) {
  const at::Tensor wide_NV = logits_NV.to(at::kDouble);
  const at::Tensor ids_N1 = at::tensor(ids, at::kLong).to(wide_NV.device()).unsqueeze(1);
  const at::Tensor chosen_N = (wide_NV.gather(1, ids_N1).squeeze(1) - wide_NV.logsumexp(1)).to(at::kCPU).contiguous();
  return {chosen_N.const_data_ptr<double>(), chosen_N.const_data_ptr<double>() + chosen_N.numel()};
}

// What follows each choice's first token, fed to a copy of the row for every choice that is longer than that.
void add_later_tokens(const Session& session, int64_t row, const TokenRows& choices,
                      std::vector<ChoiceLikelihood>& scored) {
  std::vector<int64_t> which, rows;
  TokenRows fed;
  for (int64_t c = 0; c < std::ssize(choices); ++c) {
    if (choices[c].size() < 2) continue;
    which.push_back(c);
    rows.push_back(row);
    fed.emplace_back(choices[c].begin(), choices[c].end() - 1);
  }
  if (which.empty()) return;
  Session branch = session.fork(rows);
  const at::Tensor logits_BTV = branch.feed_for_logits(fed);
  for (int64_t i = 0; i < std::ssize(which); ++i) {
    const std::vector<int64_t> later(choices[which[i]].begin() + 1, choices[which[i]].end());
    for (double value : log_probabilities(logits_BTV[i].narrow(0, 0, std::ssize(later)), later)) {
      scored[which[i]].log_probability += value;
    }
  }
}

std::vector<ChoiceLikelihood> score_choices(const Session& session, int64_t row, const at::Tensor& logits_V,
                                            const TokenRows& choices) {
  std::vector<int64_t> first;
  for (const auto& choice : choices) first.push_back(choice[0]);
  const at::Tensor logits_NV = logits_V.unsqueeze(0).expand({std::ssize(choices), -1});
  const std::vector<double> first_log = log_probabilities(logits_NV, first);
  std::vector<ChoiceLikelihood> scored;
  for (size_t c = 0; c < choices.size(); ++c) scored.push_back({first_log[c], std::ssize(choices[c])});
  add_later_tokens(session, row, choices, scored);
  return scored;
}

int64_t capacity_for(const Transformer& model, const Procedure& procedure, const TokenRows& prompts,
                     const std::vector<TokenRows>& choices) {
  require(!prompts.empty(), kChoose, "expected at least one prompt");
  require(choices.size() == prompts.size(), kChoose, "expected the choices of ", prompts.size(),
          " prompts but got those of ", choices.size());
  require(!procedure.reads_at_once(model.config()), kChoose, "expected a model that reads from left to right but got ",
          procedure.reader(model.config()), ", which reads its input at once");
  const int64_t limit = model.config().max_positions, vocabulary = model.config().vocab_size;
  int64_t capacity = 0;
  for (size_t b = 0; b < prompts.size(); ++b) {
    require(!choices[b].empty(), kChoose, "expected at least one choice in row ", b);
    for (const auto& choice : choices[b]) {
      require(!choice.empty(), kChoose, "expected choices of at least one token in row ", b);
      const auto [low, high] = std::ranges::minmax(choice);
      require(low >= 0 && high < vocabulary, kChoose, "expected token ids from 0 to ", vocabulary - 1, " but got ",
              low < 0 ? low : high, " in a choice of row ", b);
    }
    const int64_t needed = choice_positions_needed(procedure, std::ssize(prompts[b]), choices[b]);
    require(needed <= limit, kChoose, "expected at most ", limit, " positions (the model's) but row ", b, " may need ",
            needed);
    capacity = std::max(capacity, needed);
  }
  return capacity;
}

}  // namespace

int64_t likeliest_choice(const std::vector<ChoiceLikelihood>& choices) {
  require(!choices.empty(), kChoose, "expected at least one choice");
  return std::ranges::max_element(choices, {}, &ChoiceLikelihood::log_probability) - choices.begin();
}

int64_t choice_positions_needed(const Procedure& procedure, int64_t prompt_tokens, const TokenRows& choices) {
  SolveOptions longest{.max_answer_tokens = 0};
  for (const auto& choice : choices)
    longest.max_answer_tokens = std::max(longest.max_answer_tokens, std::ssize(choice));
  return positions_needed(procedure, prompt_tokens, longest);
}

Solution choose(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
                const std::vector<TokenRows>& choices, const SolveOptions& options) {
  const int64_t capacity = capacity_for(*model, procedure, prompts, choices);
  const TokenRows rows = with_suffix(procedure, prompts);
  const at::NoGradGuard no_grad;
  Solution solution;
  Stopwatch watch;
  Session session = begin_answers(model, procedure, rows, capacity, options, solution, watch);
  const at::Tensor logits_BV = session.logits_BV();
  for (int64_t b = 0; b < session.rows(); ++b) {
    solution.choices.push_back(score_choices(session, b, logits_BV[b], choices[b]));
    solution.answers.push_back({.tokens = choices[b][likeliest_choice(solution.choices[b])]});
  }
  solution.ms.answer = watch.lap(session);
  solution.mean_exits = mean_exits(session, procedure);
  return solution;
}

// Row `b` of a batch's solution as a solution of its own.
static Solution solution_of(const Solution& batch, int64_t b) {
  const double rows = static_cast<double>(batch.choices.size());
  Solution one;
  one.thoughts = row_of(batch.thoughts, b);
  one.answers = {batch.answers[b]};
  one.choices = {batch.choices[b]};
  if (!batch.mean_exits.empty()) one.mean_exits = {batch.mean_exits[b]};
  one.ms = {batch.ms.prefill / rows, batch.ms.think / rows, batch.ms.answer / rows};
  return one;
}

bool choose_all(const std::shared_ptr<const Transformer>& model, const Procedure& procedure, const TokenRows& prompts,
                const std::vector<TokenRows>& choices, const ScheduleOptions& options, const OnSolved& on_solved) {
  require(options.rows >= 1, kChoose, "expected at least one row but got ", options.rows);
  require(choices.size() == prompts.size(), kChoose, "expected the choices of ", prompts.size(),
          " prompts but got those of ", choices.size());
  const int64_t count = std::ssize(prompts);
  for (int64_t begin = 0; begin < count; begin += options.rows) {
    const int64_t end = begin + std::min(options.rows, count - begin);
    SolveOptions solve = options.solve;
    solve.ids.clear();
    for (int64_t i = begin; i < end; ++i) solve.ids.push_back(options.solve.ids.empty() ? i : options.solve.ids.at(i));
    const Solution batch = choose(model, procedure, {prompts.begin() + begin, prompts.begin() + end},
                                  {choices.begin() + begin, choices.begin() + end}, solve);
    for (int64_t i = begin; i < end; ++i) {
      if (!on_solved(i, solution_of(batch, i - begin))) return false;
    }
  }
  return true;
}

}  // namespace tacit
