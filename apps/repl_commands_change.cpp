#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "apps/repl_command.h"
#include "apps/thought_readout.h"
#include "latent/intervention.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

using Arguments = Repl::Arguments;

std::string said(const Reply& reply) {
  if (reply.answer.empty()) return "(none)";
  return printable(reply.counted.empty() ? reply.answer : reply.counted);
}

// A side that has something to change: thoughts, and a question that they were taken for.
const Thinker& thinking_side(const Repl& repl, const std::string& name) {
  repl.require_question();
  const Thinker& side = chosen_side(repl, name);
  require(side.procedure.max_thoughts() > 0, "repl", "expected a side that takes thoughts but got ", name, " (",
          side.method, ") with none");
  return side;
}

// 1.0 where `like_D` is as long.
at::Tensor as_long_as(const at::Tensor& x_D, const at::Tensor& like_D) {
  const at::Tensor wide_D = x_D.to(at::kFloat);
  return wide_D * (like_D.to(at::kFloat).norm() / wide_D.norm().clamp_min(1e-12));
}

at::Tensor embedding(const Thinker& side, const std::vector<int64_t>& tokens) {
  const Transformer& model = *side.loaded.model;
  return model.embed(at::tensor(tokens, at::kLong).to(model.device())).to(at::kFloat).mean(0);
}

// Both continuations beside each other, and whether the answer is another one.
void show_change(const Repl& repl, const Told& own, const Told& changed) {
  const RenderOptions options = repl.render_options();
  repl.print(replies_side_by_side(own, changed, repl.question.asked(), options));
  const bool same = same_answer(repl.question.rule, own.reply, changed.reply);
  const std::string noun = own.reply.in_words ? "words" : "thoughts";
  repl.print({""});
  repl.print(wrap_text(same ? "The answer stays " + said(own.reply) + " with the changed " + noun + "."
                            : "The answer changes from " + said(own.reply) + " to " + said(changed.reply) + ".",
                       options.width));
}

// Thought `step`, as the command counts them, from `first`, as `replacement` makes it, against the side's own.
void answer_changed(const Repl& repl, const std::string& name, int64_t step, int64_t first, const std::string& title,
                    const std::function<FedThought(const FedThought&, const at::Tensor&)>& replacement) {
  const Thinker& side = thinking_side(repl, name);
  const Reply own = repl.answer(name, side, repl.question);
  require(own.steps > 0, "repl", "expected a STEP to change but the side of ", name, " took ", steps_text(own));
  const int64_t last = first + own.steps - 1;
  require(step <= last, "repl", "expected STEP of ", first, " to ", last, " (", steps_text(own), ") but got ", step);
  const Reply changed = repl.answer(title, side, repl.question, {.replaced = step - first, .replacement = replacement});
  show_change(repl, {"own", own}, {title, changed});
}

void edit(Repl& repl, const Arguments& given) {
  Arguments args = given;
  const std::string name = repl.take_side(args);
  const std::string usage = "expected '/edit [words|thoughts] STEP [--norm] WORD..' but got '";
  require(!args.empty(), "repl", usage, join_words(given), "'");
  const int64_t step = parse_count(args[0], "the number of a thought", 1);
  args.erase(args.begin());
  const bool norm = !args.empty() && args[0] == "--norm";
  if (norm) args.erase(args.begin());
  require(!args.empty(), "repl", usage, join_words(given), "'");
  const Thinker& side = thinking_side(repl, name);
  const std::vector<int64_t> tokens = side.loaded.tokenizer->encode(join_words(args));
  require(!tokens.empty() && (!side.procedure.in_words || tokens.size() == 1), "repl", "expected ",
          side.procedure.in_words ? "one token, for a side that thinks in words," : "at least one token", " but got ",
          tokens.size(), " in '", join_words(args), "'");
  const at::Tensor words_D = embedding(side, tokens);
  answer_changed(repl, name, step, 1, "thought " + std::to_string(step) + " = " + join_words(args),
                 [&](const FedThought& own, const at::Tensor&) {
                   FedThought fed{norm ? as_long_as(words_D, own.vector_D) : words_D};
                   if (own.token) fed.token = tokens[0];
                   return fed;
                 });
}

constexpr uint32_t kBranchDraws = 0x6272'616e;  // "bran"

at::Tensor noise_like(const at::Tensor& x_D, double size, Rng rng) {
  at::Tensor noise_D = at::empty({x_D.numel()}, at::kFloat);
  float* values = noise_D.mutable_data_ptr<float>();
  for (int64_t d = 0; d < noise_D.numel(); ++d) values[d] = static_cast<float>(rng.normal());
  return noise_D.to(x_D.device()) * (size * x_D.to(at::kFloat).square().mean().sqrt());
}

double noise_size(const std::string& text) {
  double size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  require(error == std::errc() && end == text.data() + text.size() && std::isfinite(size) && size >= 0, "repl",
          "expected a SIZE of at least 0 behind 'noise:', as in noise:0.5, but got '", text, "'");
  return size;
}

void branch(Repl& repl, const Arguments& given) {
  Arguments args = given;
  const std::string name = repl.take_side(args);
  const std::string usage = "expected '/branch [words|thoughts] STEP [second|noise[:SIZE]]' but got '";
  require(!args.empty() && args.size() <= 2, "repl", usage, join_words(given), "'");
  const int64_t step = parse_count(args[0], "the number of a thought", 0);
  const std::string how = args.size() == 2 ? args[1] : "second";
  const Thinker& side = thinking_side(repl, name);
  if (how == "second") {
    answer_changed(repl, name, step, 0, "second likeliest", [&](const FedThought& own, const at::Tensor& logits_V) {
      const int64_t token = read_logits(logits_V, 2).top.back().token;
      const at::Tensor word_D = embedding(side, {token});
      return own.token ? FedThought{word_D, token} : FedThought{as_long_as(word_D, own.vector_D)};
    });
    return;
  }
  require(how == "noise" || how.starts_with("noise:"), "repl", usage, join_words(given), "'");
  const std::string text = how == "noise" ? "1" : how.substr(6);
  const double size = noise_size(text);
  require(!side.procedure.in_words, "repl", "expected 'second' for a side that thinks in words but got '", how, "'");
  answer_changed(repl, name, step, 0, "noise " + text, [&](const FedThought& own, const at::Tensor&) {
    const Rng rng(repl.settings.seed, static_cast<uint64_t>(step), kBranchDraws);
    return FedThought{own.vector_D.to(at::kFloat) + noise_like(own.vector_D, size, rng), own.token};
  });
}

// The seed's first problem, or the next one, and the place behind it; never the current question itself.
std::pair<Example, int64_t> other_problem(const Repl& repl, const Arguments& args) {
  const uint64_t seed = args.empty() ? repl.settings.seed : parse_seed(args[0]);
  int64_t index = args.empty() ? repl.next : 0;
  Example example = repl.fresh_problem(seed, index);
  const auto current = [&] { return split_words(example.question) == split_words(repl.question.text); };
  if (current()) example = repl.fresh_problem(seed, ++index);
  return {std::move(example), index + 1};
}

std::string swap_conclusion(const AnswerRule& rule, const Reply& own, const Reply& swapped, const Reply& donor) {
  if (same_answer(rule, swapped, own)) {
    return same_answer(rule, donor, own) ? "The answer stays " + said(own) + ", which is the other problem's too."
                                         : "The answer stays " + said(own) + ": here it does not follow the thoughts.";
  }
  if (same_answer(rule, swapped, donor))
    return "The answer follows the thoughts: " + said(swapped) + ", as to the other problem, in place of " + said(own) +
           ".";
  return "The answer changes from " + said(own) + " to " + said(swapped) + ", which is not the other problem's (" +
         said(donor) + ").";
}

void swap(Repl& repl, const Arguments& given) {
  Arguments args = given;
  const std::string name = repl.take_side(args);
  require(args.size() <= 1, "repl", "expected '/swap [words|thoughts] [SEED]' but got '", join_words(given), "'");
  const Thinker& side = thinking_side(repl, name);
  const auto [other, behind] = other_problem(repl, args);
  const Reply own = repl.answer(name, side, repl.question);
  const Reply donor = repl.answer(other.id, side, repl.question_about(other));
  auto bank = std::make_shared<ThoughtBank>();
  bank->thoughts_KD = {own.trace_KD, donor.trace_KD};
  bank->tokens = {own.tokens, donor.tokens};
  Thinker swapped_side = side;
  swapped_side.procedure = intervene(side.procedure, {.kind = InterventionKind::swap}, bank);
  const Reply swapped = repl.answer("swapped", swapped_side, repl.question);
  if (args.empty()) repl.next = behind;  // an answer that failed leaves the place
  const RenderOptions options = repl.render_options();
  repl.print(replies_side_by_side({"own", own}, {"of " + other.id, swapped}, repl.question.asked(), options));
  repl.print({""});
  repl.print(wrap_text(
      "To " + other.id + " the same model answers " + said(donor) +
          (is_right(donor, {nullptr, other.answer}).value_or(true) ? "" : ", it is " + printable(other.answer)) + ". " +
          swap_conclusion(repl.question.rule, own, swapped, donor),
      options.width));
}

}  // namespace

std::vector<ReplCommand> repl_change_commands() {
  using Words = std::vector<std::string>;
  const auto complete = [](const Repl& repl, const Arguments& given, const std::string&) {
    Arguments before = given;
    const Thinker& side = chosen_side(repl, repl.take_side(before));
    if (given.empty()) return Words{"words", "thoughts"};
    if (before.size() != 1) return Words{};
    return side.procedure.in_words ? Words{"second"} : Words{"second", "noise", "noise:"};
  };
  const auto complete_words = [](const Repl& repl, const Arguments& given, const std::string&) {
    Words words = given.empty() ? Words{"words", "thoughts"} : Words{"--norm"};
    const Tokenizer& tokenizer = *repl.thoughts.loaded.tokenizer;
    for (int64_t id = 0; !given.empty() && id < tokenizer.vocab_size(); ++id) words.push_back(tokenizer.token(id));
    return words;
  };
  const auto sides = [](const Repl&, const Arguments& given, const std::string&) {
    return given.empty() ? Words{"words", "thoughts"} : Words{};
  };
  return {
      {"/swap",
       "[SIDE] [SEED]",
       "answer with the thoughts of another problem",
       {"The other problem is the next fresh one, or the first of SEED. SIDE is words or thoughts (thoughts where it "
        "is",
        "left out), here and in /branch and /edit."},
       0,
       2,
       swap,
       sides},
      {"/branch",
       "[SIDE] STEP [second|noise[:SIZE]]",
       "fork after thought STEP, both branches side by side",
       {"The first STEP thoughts are the same. The next one is the embedding of the second likeliest token, as long as",
        "the thought itself; or the thought and Gaussian noise of SIZE (1) times its root mean square."},
       1,
       3,
       branch,
       complete},
      {"/edit",
       "[SIDE] STEP [--norm] WORD..",
       "feed words in place of thought STEP, and answer again",
       {"The mean of the words' embeddings; with --norm as long as the thought that it replaces."},
       2,
       1000,
       edit,
       complete_words},
  };
}

}  // namespace tacit
