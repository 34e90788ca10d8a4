#include "decoding/solve_strategy.h"

#include <string>

#include "decoding/drawn_thoughts.h"
#include "latent/intervention.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// What tokens say to a vote where nobody extracts an answer: themselves.
std::string spelled(const std::vector<int64_t>& tokens) {
  std::string out;
  for (const int64_t token : tokens) out += std::to_string(token) + " ";
  return out;
}

class OneProblem {
 public:
  OneProblem(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
             const std::vector<int64_t>& prompt, int64_t id, int64_t capacity, const SolveOptions& options)
      : model_(model),
        procedure_(procedure),
        prompt_(prompt),
        id_(id),
        options_(options),
        session_(model, session_options(procedure, options, 1, capacity)) {}

  Solution run() {
    const Strategy& strategy = options_.strategy;
    if (strategy.kind == StrategyKind::tree) return search();
    session_.name_rows(std::vector{id_});
    session_.prefill({prompt_});
    out_.ms.prefill = watch_.lap(session_);
    work_.feed(0, std::ssize(prompt_));
    switch (strategy.kind) {
      case StrategyKind::beam: beams(); break;
      case StrategyKind::contrast: contrast(); break;
      default: samples(); break;
    }
    out_.ms.answer = watch_.lap(session_);
    out_.mean_exits = mean_exits(session_, procedure_);
    out_.work = std::move(work_);
    return std::move(out_);
  }

 private:
  int64_t prompt_tokens() const { return std::ssize(prompt_); }
  int64_t most_tokens() const { return answer_tokens(procedure_, options_); }

  Solution search() {
    FoundThoughts found = search_thoughts(model_, procedure_, prompt_, options_.strategy.tree, most_tokens(),
                                          options_.recurrences, options_.seed, id_, options_.value, options_.complete);
    Solution out{.thoughts = std::move(found.thoughts), .answers = {std::move(found.answer)}};
    if (!options_.keep_trace) out.thoughts.trace_BKD = at::Tensor();
    out.work = std::move(found.work);
    out.ms.think = watch_.lap();  // the tree does not tell thoughts from answers
    return out;
  }

  void think() {
    out_.thoughts = think_of(session_, procedure_, options_.keep_trace);
    out_.ms.think = watch_.lap(session_);
    add_thoughts(work_, procedure_, prompt_tokens(), out_.thoughts.steps[0], out_.thoughts.halted[0]);
  }

  void feed_marker(Session& session) {
    work_.feed(session.lengths()[0], std::ssize(procedure_.answer_marker));
    session.feed(procedure_.answer_marker);
  }

  void beams() {
    think();
    feed_marker(session_);
    const std::vector<Beam> found =
        beam_search(session_, options_.strategy.beam, most_tokens(), procedure_.stop_tokens, &work_, options_.complete);
    out_.answers = {{found[0].tokens, found[0].stopped, {}}};
  }

  void contrast() {
    Session other = session_.fork({0});
    think();
    const Procedure fewer =
        intervene(procedure_, {.kind = InterventionKind::truncate, .at = options_.strategy.contrast.thoughts});
    const Thoughts before = think_of(other, fewer, /*keep_trace=*/false);
    add_thoughts(work_, fewer, prompt_tokens(), before.steps[0], before.halted[0]);
    feed_marker(session_);
    feed_marker(other);
    out_.answers = decode_contrast(
        session_, other, options_.strategy.contrast,
        {.max_tokens = most_tokens(), .stop_tokens = procedure_.stop_tokens, .complete = options_.complete});
    const int64_t tokens = std::ssize(out_.answers[0].tokens), read = tokens + out_.answers[0].stopped;
    const int64_t marker = std::ssize(procedure_.answer_marker);
    for (const int64_t steps : {out_.thoughts.steps[0], before.steps[0]})
      work_.feed(prompt_tokens() + steps + marker, std::max<int64_t>(read - 1, 0));
    work_.readings += 2 * read;
    work_.tokens += 2 * tokens;
  }

  void samples() {
    const Strategy& strategy = options_.strategy;
    const Procedure procedure = drawing(procedure_, options_);
    std::vector<int64_t> ids;
    for (int64_t s = 0; s < strategy.samples; ++s) ids.push_back(sample_id(id_, s));
    Session rows = session_.fork(std::vector<int64_t>(ids.size(), 0));
    rows.name_rows(ids);
    const Thoughts thoughts = think_of(rows, procedure, options_.keep_trace);
    std::vector<WordLikelihood> words;
    for (int64_t b = 0; b < rows.rows(); ++b) words.push_back(word_likelihood(rows.notes(b)));
    out_.ms.think = watch_.lap(rows);
    rows.feed(procedure.answer_marker);
    DecodeOptions how = decode_options(procedure, options_);
    how.keep_log_probs = strategy.kind == StrategyKind::best;
    const std::vector<Decoded> answers = decode(rows, how);
    for (int64_t b = 0; b < rows.rows(); ++b)
      add_chain(work_, procedure, prompt_tokens(), thoughts.steps[b], thoughts.halted[b], answers[b]);
    const int64_t chosen = strategy.kind == StrategyKind::vote ? voted(answers) : best(answers, words);
    out_.thoughts = row_of(thoughts, chosen);
    out_.answers = {answers[chosen]};
    session_ = rows.fork({chosen});
  }

  int64_t voted(const std::vector<Decoded>& answers) {
    std::vector<std::string> said;
    for (const Decoded& answer : answers)
      said.push_back(options_.extract ? options_.extract(id_, answer.tokens) : spelled(answer.tokens));
    const std::function<bool(const std::string&, const std::string&)> same = options_.extract ? options_.same : nullptr;
    out_.votes = count_votes(said, same);
    return majority(said, same);
  }

  int64_t best(const std::vector<Decoded>& answers, const std::vector<WordLikelihood>& words) const {
    std::vector<double> scores;
    for (size_t b = 0; b < answers.size(); ++b) {
      if (options_.score) {
        scores.push_back(options_.score(id_, answers[b]));
        continue;
      }
      const std::vector<double>& of_answer = answers[b].log_probs;
      const auto count = static_cast<double>(words[b].words + std::ssize(of_answer));
      const double sum = words[b].log_prob + (of_answer.empty() ? 0 : likelihood(of_answer, Likelihood::sum));
      scores.push_back(options_.strategy.likelihood == Likelihood::sum || count == 0 ? sum : sum / count);
    }
    return best_of(scores);
  }

  const std::shared_ptr<const Transformer>& model_;
  const Procedure& procedure_;
  const std::vector<int64_t>& prompt_;
  int64_t id_;
  const SolveOptions& options_;
  Stopwatch watch_;
  Session session_;
  WorkDone work_;
  Solution out_;
};

}  // namespace

Session begin_answers(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                      const TokenRows& prompts, int64_t capacity, const SolveOptions& options, Solution& solution,
                      Stopwatch& watch) {
  Session session(model, session_options(procedure, options, std::ssize(prompts), capacity));
  if (!options.ids.empty()) session.name_rows(options.ids);
  session.prefill(prompts);
  solution.ms.prefill = watch.lap(session);
  solution.thoughts = think_of(session, procedure, options.keep_trace);
  solution.ms.think = watch.lap(session);
  session.feed(procedure.answer_marker);
  return session;
}

std::vector<double> mean_exits(const Session& session, const Procedure& procedure) {
  std::vector<double> out;
  if (!leaves_early(session.model().config(), procedure.exit)) return out;
  for (int64_t b = 0; b < session.rows(); ++b) out.push_back(mean_exit(session, b));
  return out;
}

Thoughts row_of(const Thoughts& thoughts, int64_t row) {
  Thoughts out{{thoughts.steps[row]}, {thoughts.tokens[row]}, {thoughts.halted[row]}, {}};
  const at::Tensor& trace_BKD = thoughts.trace_BKD;
  if (trace_BKD.defined()) out.trace_BKD = trace_BKD.narrow(0, row, 1).narrow(1, 0, thoughts.steps[row]);
  return out;
}

Procedure drawing(const Procedure& procedure, const SolveOptions& options) {
  const Strategy& strategy = options.strategy;
  Procedure out = with_thought_noise(procedure, strategy.noise, options.seed);
  // Words are drawn, and their likelihood is kept where samples are compared by it.
  const bool words = strategy.sampling.temperature > 0 || strategy.kind == StrategyKind::best;
  return words ? with_sampled_words(out, strategy.sampling, options.seed) : out;
}

DecodeOptions decode_options(const Procedure& procedure, const SolveOptions& options) {
  return {.max_tokens = answer_tokens(procedure, options),
          .stop_tokens = procedure.stop_tokens,
          .sampling = options.strategy.sampling,
          .seed = options.seed,
          .complete = options.complete};
}

Solution solve_one(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                   const std::vector<int64_t>& prompt, int64_t id, int64_t capacity, const SolveOptions& options) {
  return OneProblem(model, procedure, prompt, id, capacity, options).run();
}

}  // namespace tacit
