#include "apps/reply.h"

#include <algorithm>
#include <functional>

#include "apps/counted.h"
#include "apps/interrupt.h"
#include "datasets/lines.h"
#include "decoding/drawn_thoughts.h"
#include "decoding/readout.h"
#include "decoding/stopwatch.h"
#include "eval/problems.h"
#include "eval/prompts.h"
#include "latent/thinking.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

void stop_if_interrupted() {
  if (interrupted()) throw Interrupted("think", "stopped");
}

// The rule itself, and before every thought that it lets pass a look at Ctrl-C and a word to who watches: so the
// thoughts are taken one by one, with the same bits. Adds what watching took to `watched_ms`.
Halt watched(Halt inner, const AskOptions& options, double& watched_ms) {
  return {inner.name, [inner, &options, &watched_ms](const StepState& state, const NextInput& proposal) {
            stop_if_interrupted();
            const std::vector<char> stop = stopped(inner, state, proposal);
            if (options.watch && !stop[0]) {
              Stopwatch watch;
              options.watch(state.step(), state, proposal);
              watched_ms += watch.lap();
            }
            return stop;
          }};
}

// Ends an answer at a stop string; before every further token looks at Ctrl-C and tells who watches, as watched() does
// for thoughts.
AnswerComplete watched_answer(const Thinker& thinker, const AskOptions& options, double& watched_ms) {
  return [&thinker, &options, &watched_ms](const std::vector<int64_t>& tokens) {
    stop_if_interrupted();
    if (options.rule.stop.empty() && !options.answering) return false;
    Stopwatch watch;
    const std::string text = thinker.loaded.tokenizer->decode(tokens);
    if (options.answering) options.answering(text);
    watched_ms += watch.lap();
    return ends_at_stop(text, options.rule.stop);
  };
}

Feedback replaced_feedback(Feedback base, const AskOptions& options) {
  Feedback out{.name = base.name + " +replaced", .reads_layers = base.reads_layers};
  out.next = [base, &options](const StepState& state) {
    NextInput next = proposed(base, state);
    if (state.step() != options.replaced) return next;
    const FedThought own{next.input_BD[0],
                         next.tokens.empty() ? std::optional<int64_t>() : std::optional(next.tokens[0])};
    const FedThought fed = options.replacement(own, state.logits_BV()[0]);
    next.input_BD = fed.vector_D.to(next.input_BD.scalar_type()).unsqueeze(0);
    next.tokens = fed.token ? std::vector<int64_t>{*fed.token} : std::vector<int64_t>{};
    return next;
  };
  return out;
}

ParallelInputs watched_inputs(const ParallelThinkOptions& parallel, const AskOptions& options) {
  return [base = parallel.inputs, last = parallel.iterations - 1, &options](const ParallelState& state) {
    stop_if_interrupted();
    at::Tensor input_BKD = base(state);
    if (!options.replacement || state.iteration < last) return input_BKD;
    input_BKD = input_BKD.clone();
    const at::Tensor own_D = input_BKD[0][options.replaced].clone();
    const FedThought fed = options.replacement({own_D}, state.model.logits(own_D));
    input_BKD[0][options.replaced].copy_(fed.vector_D);
    return input_BKD;
  };
}

std::vector<std::string> chain_words(const Thinker& thinker, const std::vector<int64_t>& tokens) {
  const Tokenizer& tokenizer = *thinker.loaded.tokenizer;
  if (!asks_about_graphs(thinker)) return split_words(tokenizer.decode(tokens));
  std::vector<std::string> words;
  for (const int64_t token : tokens) words.push_back(tokenizer.token(token));
  return words;
}

std::vector<WordShares> read_thoughts(const Thinker& thinker, const at::Tensor& trace_KD) {
  constexpr int64_t kTop = 40;
  std::vector<WordShares> thoughts;
  for (const std::vector<TokenShare>& readout : readouts(*thinker.loaded.model, trace_KD, kTop)) {
    WordShares shares;
    for (const TokenShare& share : readout) {
      shares.emplace_back(thinker.loaded.tokenizer->token(share.token), share.probability);
    }
    thoughts.push_back(std::move(shares));
  }
  return thoughts;
}

// What is told of a decoded text; of graphs the first word, which is what counts in an evaluation.
std::string told_answer(const Thinker& thinker, const AnswerRule& rule, const std::string& text) {
  std::vector<std::string> words = split_words(cut_at_stop(text, rule.stop));
  if (asks_about_graphs(thinker) && words.size() > 1) words.resize(1);
  return join_words(words);
}

}  // namespace

Thinker make_thinker(LoadedModel loaded, const std::string& name, int64_t latents, int64_t recurrences,
                     const Json& options) {
  require_tokenizer(loaded);
  require_recurrences(loaded.model->config(), recurrences, "open_model");
  const Method& chosen = method(name, loaded.settings);
  Procedure procedure = bind_method(loaded, chosen.name, latents, options);
  const int64_t limit = loaded.model->config().max_positions, needed = positions_needed(procedure, 1);
  require(needed <= limit, "open_model", "expected at most ", limit, " positions (the model's) but ",
          counted(procedure.max_thoughts(), procedure.in_words ? "word" : "thought"),
          " with a question and an answer need at least ", needed);
  return {.loaded = std::move(loaded),
          .method = chosen.name,
          .procedure = std::move(procedure),
          .recurrences = recurrences,
          .options = options};
}

bool asks_about_graphs(const Thinker& thinker) {
  return thinker.loaded.settings.task == "reach" && thinker.loaded.settings.style == "symbols";
}

Reply ask(const Thinker& thinker, const std::string& question, const AskOptions& options) {
  const Tokenizer& tokenizer = *thinker.loaded.tokenizer;
  Procedure procedure = thinker.procedure;
  double watched_ms = 0, watched_answer_ms = 0;
  // Before what is wrapped around them: drawn words are what a replacement takes the place of.
  if (thinker.strategy.sampling.temperature > 0)
    procedure = with_sampled_words(procedure, thinker.strategy.sampling, thinker.sample_seed);
  if (options.replacement) procedure.think.feedback = replaced_feedback(procedure.think.feedback, options);
  procedure.think.feedback.reads_layers = procedure.think.feedback.reads_layers || options.layers;
  procedure.think.halt = watched(procedure.think.halt, options, watched_ms);
  if (procedure.parallel) procedure.parallel->inputs = watched_inputs(*thinker.procedure.parallel, options);
  // Typed questions stand on a line as those that the checkpoint was trained on.
  const bool bare = thinker.loaded.settings.style == "lines" && !question.ends_with('\n');
  const std::string text = bare ? question_line(question) : question;
  const AnswerRule& rule = options.rule;
  const auto extract = [&](int64_t, const std::vector<int64_t>& tokens) {
    const std::string said = valid_utf8(tokenizer.decode(tokens));
    return rule.extract ? rule.extract(said) : told_answer(thinker, rule, said);
  };
  const Solution solution = solve(thinker.loaded.model, procedure, {tokenizer.encode(text)},
                                  {.max_answer_tokens = rule.max_tokens,
                                   .keep_trace = true,
                                   .recurrences = thinker.recurrences,
                                   .ids = {options.id},
                                   .strategy = thinker.strategy,
                                   .seed = thinker.sample_seed,
                                   .extract = extract,
                                   .same = rule.same,
                                   .complete = watched_answer(thinker, options, watched_answer_ms)});
  Reply reply{.method = thinker.method, .in_words = procedure.in_words};
  reply.steps = solution.thoughts.steps[0];
  reply.cut_off = procedure.in_words && !solution.thoughts.halted[0];
  if (thinker.strategy.kind == StrategyKind::vote || thinker.strategy.kind == StrategyKind::best)
    reply.samples = thinker.strategy.samples;
  reply.all_steps = solution.work ? solution.work->thoughts : reply.steps;
  reply.votes = solution.votes;
  std::ranges::stable_sort(reply.votes, std::ranges::greater(), &AnswerVotes::votes);
  reply.trace_KD = solution.thoughts.trace_BKD[0].narrow(0, 0, reply.steps);
  reply.tokens = solution.thoughts.tokens[0];
  if (!reply.tokens.empty()) {
    reply.words = chain_words(thinker, reply.tokens);
  } else if (reply.steps > 0) {
    reply.grid.explored = thinker.loaded.settings.frontier == "explored";
    reply.grid.thoughts = read_thoughts(thinker, reply.trace_KD);
    if (thinker.verbaliser) reply.said = thinker.verbaliser->say(reply.trace_KD);
  }
  const std::string told = tokenizer.decode(solution.answers[0].tokens);
  reply.answer = told_answer(thinker, rule, told);
  reply.counted = extract(0, solution.answers[0].tokens);
  reply.by_choice = rule.by_choice;
  if (rule.right) {
    const std::string thoughts =
        rule.reads_thoughts ? valid_utf8(thoughts_text(*thinker.loaded.model, tokenizer, solution.thoughts, 0)) : "";
    reply.right = rule.right(thoughts, valid_utf8(told));
  }
  reply.phases = solution.ms;
  reply.phases.think -= watched_ms;
  reply.phases.answer -= watched_answer_ms;
  reply.ms = reply.phases.total();
  return reply;
}

}  // namespace tacit
