#include "apps/reply.h"

#include <algorithm>
#include <cstdio>

#include "apps/counted.h"
#include "apps/interrupt.h"
#include "datasets/lines.h"
#include "decoding/readout.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// The rule itself, and a look at Ctrl-C before every thought: so the thoughts are taken one by one, with the same bits.
Halt interruptible(Halt inner) {
  return {inner.name, [inner](const StepState& state, const NextInput& proposal) {
            if (interrupted()) throw Interrupted("think", "stopped");
            return inner.stop(state, proposal);
          }};
}

std::vector<std::string> chain_words(const Thinker& thinker, const std::vector<int64_t>& tokens) {
  const Tokenizer& tokenizer = *thinker.loaded.tokenizer;
  if (!asks_about_graphs(thinker)) return split_words(tokenizer.decode(tokens));
  std::vector<std::string> words;
  for (const int64_t token : tokens) words.push_back(tokenizer.token(token));
  return words;
}

std::vector<WordShares> read_thoughts(const Thinker& thinker, const at::Tensor& trace_BKD, int64_t steps) {
  constexpr int64_t kTop = 40;
  std::vector<WordShares> thoughts;
  for (int64_t k = 0; k < steps; ++k) {
    WordShares shares;
    for (const TokenShare& share : readout(*thinker.loaded.model, trace_BKD[0][k], kTop)) {
      shares.emplace_back(thinker.loaded.tokenizer->token(share.token), share.probability);
    }
    thoughts.push_back(std::move(shares));
  }
  return thoughts;
}

std::string headline(std::string_view title, const Thinker& thinker, const Reply& reply) {
  char ms[32];
  std::snprintf(ms, sizeof ms, "%.1f ms", reply.ms);
  const std::string noun = thinker.procedure.in_words ? "word" : "thought";
  return std::string(title) + " · " + thinker.method + " · " + counted(reply.steps, noun) + " · " + ms;
}

std::string verdict(const Reply& reply, const GraphQuestion* question, bool colour) {
  const std::string answer = "answer " + (reply.answer.empty() ? "(none)" : reply.answer);
  if (question == nullptr || question->answer() < 0) return paint(answer, Tone::bold, colour);
  const std::string& right = question->words[question->answer()];
  if (reply.answer == right) return paint(answer + " ✓ right", Tone::good, colour);
  return paint(answer + " ✗ wrong, it is " + right, Tone::bad, colour);
}

struct Side {
  std::string_view title;
  const Thinker& thinker;
  const Reply& reply;

  // Without the verdict, which stands below both sides' pictures.
  Lines picture(const GraphQuestion* question, const RenderOptions& options) const {
    Lines lines = {clip(paint(headline(title, thinker, reply), Tone::bold, options.colour), options.width), ""};
    const bool drawn = !reply.grid.thoughts.empty();
    const Lines body = drawn ? thought_bars(question ? with_truth(reply.grid, *question) : reply.grid, options)
                             : word_chain(reply.words, thinker.procedure.in_words ? question : nullptr, options);
    lines.insert(lines.end(), body.begin(), body.end());
    return lines;
  }
};

// Columns that the lines take, at most `most`.
int64_t widest(const Lines& lines, int64_t most) {
  int64_t width = 0;
  for (const std::string& line : lines) width = std::max(width, display_width(line));
  return std::min(width, most);
}

}  // namespace

Thinker make_thinker(LoadedModel loaded, const std::string& name, int64_t latents, int64_t recurrences) {
  require_tokenizer(loaded);
  require_recurrences(loaded.model->config(), recurrences, "open_model");
  const Method& chosen = method(name, loaded.settings);
  Procedure procedure = bind_method(chosen, loaded.settings, loaded.tokenizer.get(), latents, loaded.method_weights);
  const int64_t limit = loaded.model->config().max_positions, needed = positions_needed(procedure, 1);
  require(needed <= limit, "open_model", "expected at most ", limit, " positions (the model's) but ",
          counted(procedure.max_thoughts(), procedure.in_words ? "word" : "thought"),
          " with a question and an answer need at least ", needed);
  return {std::move(loaded), chosen.name, std::move(procedure), recurrences};
}

bool asks_about_graphs(const Thinker& thinker) {
  return thinker.loaded.settings.task == "reach" && thinker.loaded.settings.style == "symbols";
}

Reply ask(const Thinker& thinker, const std::string& question) {
  const Tokenizer& tokenizer = *thinker.loaded.tokenizer;
  Procedure procedure = thinker.procedure;
  procedure.think.halt = interruptible(procedure.think.halt);
  // Typed questions stand on a line as those that the checkpoint was trained on.
  const bool bare = thinker.loaded.settings.style == "lines" && !question.ends_with('\n');
  const std::string text = bare ? question_line(question) : question;
  const Solution solution = solve(thinker.loaded.model, procedure, {tokenizer.encode(text)},
                                  {.keep_trace = true,
                                   .recurrences = thinker.recurrences,
                                   .strategy = thinker.strategy,
                                   .seed = thinker.sample_seed});
  Reply reply;
  reply.steps = solution.thoughts.steps[0];
  if (!solution.thoughts.tokens[0].empty()) {
    reply.words = chain_words(thinker, solution.thoughts.tokens[0]);
  } else if (reply.steps > 0) {
    reply.grid.explored = thinker.loaded.settings.frontier == "explored";
    reply.grid.thoughts = read_thoughts(thinker, solution.thoughts.trace_BKD, reply.steps);
    const at::Tensor thoughts_KD = solution.thoughts.trace_BKD[0].narrow(0, 0, reply.steps);
    if (thinker.verbaliser) reply.said = thinker.verbaliser->say(thoughts_KD);
  }
  std::vector<std::string> answer = split_words(tokenizer.decode(solution.answers[0].tokens));
  if (asks_about_graphs(thinker) && answer.size() > 1) answer.resize(1);  // what counts in an evaluation
  reply.answer = join_words(answer);
  reply.ms = solution.ms.total();
  return reply;
}

Lines replies_side_by_side(const Thinker& words, const Reply& in_words, const Thinker& thoughts,
                           const Reply& in_thoughts, const GraphQuestion* question, const RenderOptions& options) {
  constexpr int64_t kGap = 3;
  const Side left{"words", words, in_words}, right{"thoughts", thoughts, in_thoughts};
  const int64_t right_least = grid_width(std::clamp<int64_t>(in_thoughts.steps, 3, 6));
  const int64_t left_most = options.width - kGap - right_least;
  Lines first = left.picture(question, {std::max<int64_t>(left_most, 0), options.colour});
  const std::string first_verdict = verdict(in_words, question, options.colour);
  if (left_most < 30) {  // no room beside each other
    first = left.picture(question, options);
    first.insert(first.end(), {"", first_verdict, ""});
    Lines second = right.picture(question, options);
    first.insert(first.end(), second.begin(), second.end());
    first.insert(first.end(), {"", verdict(in_thoughts, question, options.colour)});
    for (std::string& line : first) line = clip(line, options.width);
    return first;
  }
  const int64_t left_width = std::max(widest(first, left_most), display_width(first_verdict));
  Lines second = right.picture(question, {options.width - kGap - left_width, options.colour});
  const size_t height = std::max(first.size(), second.size()) + 1;
  first.resize(height);
  second.resize(height);
  first.push_back(first_verdict);
  second.push_back(verdict(in_thoughts, question, options.colour));
  return side_by_side(first, second, left_width, options);
}

}  // namespace tacit
