#include "apps/repl.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <utility>

#include "apps/eval_options.h"
#include "apps/live_line.h"
#include "apps/repl_command.h"
#include "apps/terminal.h"
#include "apps/thought_readout.h"
#include "datasets/generated_task.h"
#include "datasets/reach.h"
#include "eval/task.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

constexpr std::string_view kRepl = "repl";

template <class Integer>
std::optional<Integer> number(const std::string& text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

}  // namespace

int64_t parse_count(const std::string& text, std::string_view what, int64_t least, int64_t most) {
  const auto value = number<int64_t>(text);
  require(value && *value >= least && *value <= most, kRepl, "expected ", what, ", at least ", least,
          most < int64_t{1} << 40 ? " and at most " + std::to_string(most) : "", ", but got ",
          value ? text : "'" + text + "'");
  return *value;
}

uint64_t parse_seed(const std::string& text) {
  const auto value = number<uint64_t>(text);
  require(value.has_value(), kRepl, "expected a seed of at least 0 but got '", text, "'");
  return *value;
}

void require_method(const LoadedModel& loaded, const std::string& method, std::string_view advice) {
  require(method != "latent" || !loaded.settings.method.empty(), kRepl,
          "expected a checkpoint whose config.json names a method but got ", loaded.directory.string(), "; ", advice);
}

Repl::Repl(const ReplSettings& given)
    : settings(given),
      words(first_side(given.words, given.words_method, -1, "--words-method, as in --words-method cot")),
      thoughts(first_side(given.thoughts, given.thoughts_method, given.latents,
                          "--thoughts-method, as in --thoughts-method coconut")) {
  require(settings.recurrences == 0 || thinks_in_depth(), kRepl,
          "expected a model with recurrent depth beside --recurrences but neither has it");
}

Thinker Repl::first_side(const std::filesystem::path& directory, const std::string& method, int64_t latents,
                         const std::string& option) const {
  LoadedModel loaded = open(directory);
  require_method(loaded, method, "name one with " + option);
  return thinker(std::move(loaded), method, latents);
}

Thinker Repl::thinker(LoadedModel loaded, const std::string& method, int64_t latents, const Json& options) const {
  const int64_t recurrences = loaded.model->config().depth.recurrent ? settings.recurrences : 0;
  return make_thinker(std::move(loaded), method, latents, recurrences, options);
}

// --latents and /latents are kept for the next method that thinks; one in words, or none, has no number of thoughts.
int64_t Repl::latents_for(const LoadedModel& loaded, const std::string& name) const {
  return method(name, loaded.settings).counts_thoughts ? settings.latents : -1;
}

int64_t Repl::latents_for(const Thinker& side, const LoadedModel& loaded, const std::string& name) const {
  return &side == &thoughts ? latents_for(loaded, name) : -1;
}

bool Repl::thinks_in_depth() const {
  const auto deep = [](const Thinker& side) { return side.loaded.model->config().depth.recurrent; };
  return deep(words) || deep(thoughts);
}

RenderOptions Repl::render_options() const {
  const bool colour = settings.colour == "auto" ? settings.interactive && output_has_colour() : settings.colour == "on";
  return {.width = settings.width > 0 ? settings.width : output_width(), .colour = colour};
}

void Repl::print(const Lines& lines) const {
  for (const std::string& line : lines) std::cout << line << "\n";
  std::cout << std::flush;
}

bool Repl::about_graphs() const { return asks_about_graphs(words) && asks_about_graphs(thoughts); }

int64_t Repl::labels() const { return std::min(words.loaded.settings.labels, thoughts.loaded.settings.labels); }

void Repl::require_question() const {
  require(!question.text.empty(), kRepl, "expected a question first: type one, or /new");
}

Thinker& Repl::side(const std::string& name, const std::string& usage) {
  require(name == "words" || name == "thoughts", kRepl, "expected '", usage, "' but got '", name, "'",
          did_you_mean(name, {"words", "thoughts"}));
  return name == "words" ? words : thoughts;
}

std::string Repl::take_side(Arguments& args) const {
  if (args.empty() || (args[0] != "words" && args[0] != "thoughts")) return "thoughts";
  const std::string name = args[0];
  args.erase(args.begin());
  return name;
}

const LoadedModel& Repl::loaded(const std::filesystem::path& directory) {
  for (const Thinker* side : {&words, &thoughts}) {
    if (side->loaded.directory == directory) return side->loaded;
  }
  const auto found = cache_.find(directory);
  if (found != cache_.end()) return found->second;
  return cache_.emplace(directory, open(directory)).first->second;
}

void Repl::greet() const {
  const RenderOptions options = render_options();
  const std::string title = "Words and thoughts, side by side.", hint = "/new draws a problem, /help lists the rest.";
  const bool room = options.width >= display_width(title) + 2 + display_width(hint);
  const std::string bold = paint(title, Tone::bold, options.colour);
  print(room ? Lines{bold + "  " + hint} : Lines{bold, clip(hint, options.width)});
  greet_sides();
}

void Repl::greet_sides() const {
  for (const auto& [name, side] : {std::pair("words", &words), std::pair("thoughts", &thoughts)})
    print({clip(pad(name, 10) + printable(side->loaded.directory.string()) + " (" + side->method + ")" +
                    arithmetic_remark(arithmetic_json(*side->loaded.model)),
                render_options().width)});
}

bool Repl::handle(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line[begin] == '#') return true;
  if (line[begin] == '/') {
    command(line);
  } else {
    ask_both({.text = line.substr(begin), .graph = {}, .expected = ""});
  }
  return !leaving;
}

void Repl::command(const std::string& line) {
  const ReplCommand& chosen = find_repl_command(split_words(line)[0]);
  Arguments args = chosen.paths ? split_arguments(line) : split_words(line);
  args.erase(args.begin());
  const std::string usage = chosen.name + (chosen.arguments.empty() ? "" : " " + chosen.arguments);
  require(args.size() >= chosen.least && args.size() <= chosen.most, kRepl, "expected '", usage, "' but got '", line,
          "'");
  chosen.run(*this, args);
}

Example Repl::fresh_problem(uint64_t seed, int64_t index) const {
  const MethodSettings &a = words.loaded.settings, &b = thoughts.loaded.settings;
  require(a.task == b.task && a.style == b.style && a.generator == b.generator && is_generated(a.task), kRepl,
          "expected two models of one generated task but got ", words.loaded.directory.string(), " ('", a.task,
          "') and ", thoughts.loaded.directory.string(), " ('", b.task, "')");
  if (a.task != "reach") return open_generator(a.task, a.generator).example(seed, index);
  ReachOptions options = task_options_of(a).reach;
  options.labels = labels();
  for (const Thinker* side : {&words, &thoughts}) {
    if (options.labels >= options.graph.max_nodes) break;
    options.graph = trained_graphs(side->loaded.directory, options.labels).value_or(options.graph);
  }
  return reach_example(options, seed, index);
}

Repl::Question Repl::question_about(const Example& example) const {
  Question out{.text = example.question, .graph = {}, .expected = example.answer};
  const std::string& name = thoughts.loaded.settings.task;
  if (!example.answer.empty() && is_generated(name)) out.rule = answer_rule(task(name), example);
  return out;
}

// Both models get the question in their own format. One that is refused leaves the old question; one that was stopped
// is the question all the same.
void Repl::ask_both(Question asked) {
  if (about_graphs()) {
    asked.graph = parse_graph_question(asked.text, kRepl);
    require_labels(*asked.graph, labels(), kRepl);
    asked.text = asked.graph->text();
  }
  if (asked.graph) {
    print(graph_picture(*asked.graph, render_options()));
    print({""});
  } else if (!asked.expected.empty()) {
    print(wrap_text(printable(join_words(split_words(asked.text))), render_options().width));
    print({""});
  }
  Question old = std::exchange(question, std::move(asked));
  auto old_replies = std::exchange(replies, {});
  try {
    answer_again();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception&) {
    question = std::move(old);
    replies = std::move(old_replies);
    throw;
  }
}

void Repl::answer_again() {
  Reply in_words = answer("words", words, question);
  replies = {std::move(in_words), answer("thoughts", thoughts, question)};
  show_replies();
}

Reply Repl::answer(const std::string& title, const Thinker& thinker, const Question& asked, AskOptions options) const {
  options.rule = asked.rule;
  const RenderOptions drawing = render_options();
  const bool shown = settings.interactive && output_takes_escapes();
  LiveLine live(shown, drawing.width);
  if (shown) {
    const Tokenizer& tokenizer = *thinker.loaded.tokenizer;
    std::string told;
    const auto also = options.watch;
    const std::string noun = thinker.procedure.in_words ? ", word " : ", pause ";
    options.watch = [&live, &tokenizer, title, noun, told, also](int64_t index, const StepState& state,
                                                                 const NextInput& thought) mutable {
      if (also) also(index, state, thought);
      if (!thought.tokens.empty()) told += " " + printable(tokenizer.token(thought.tokens[0]));
      if (!live.due()) return;
      if (!thought.tokens.empty()) {
        live.write(title + noun + std::to_string(index + 1) + ":", told);
      } else {
        std::string now;
        for (const TokenShare& share : read_logits(state.logits_BV()[0], 5).top)
          now += " " + printable(tokenizer.token(share.token));
        live.write(title + ", thought " + std::to_string(index + 1) + ":", now);
      }
    };
    options.answering = [&live, title](const std::string& so_far) {
      if (live.due()) live.write(title + ", answer:", " " + printable(so_far));
    };
  }
  return ask(thinker, asked.text, options);
}

void Repl::show_replies() const {
  if (!replies) return;
  print(
      replies_side_by_side({"words", (*replies)[0]}, {"thoughts", (*replies)[1]}, question.asked(), render_options()));
  print({""});
}

}  // namespace tacit
