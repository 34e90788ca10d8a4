#include <tuple>
#include <utility>

#include "apps/interrupt.h"
#include "apps/repl_command.h"
#include "apps/thought_readout.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

using Arguments = Repl::Arguments;

void set_seed_of(Repl& repl, const std::string& text) {
  repl.settings.seed = parse_seed(text);
  repl.next = 0;
}

void fresh(Repl& repl, const Arguments& args) {
  repl.fresh_problem(0, 0);  // refused before the seed changes
  const std::pair before(repl.settings.seed, repl.next);
  if (!args.empty()) set_seed_of(repl, args[0]);
  try {
    const Example example = repl.fresh_problem(repl.settings.seed, repl.next++);
    repl.print({paint(example.id, Tone::dim, repl.render_options().colour)});
    repl.ask_both(repl.question_about(example));
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception&) {  // the old question stays, and so does the place behind it
    std::tie(repl.settings.seed, repl.next) = before;
    throw;
  }
}

// A line that fits stays as it is, spaces and all.
void show_question(const Repl& repl) {
  const RenderOptions options = repl.render_options();
  if (repl.question.graph) repl.print(graph_picture(*repl.question.graph, options));
  for (const std::string& line : printable_lines(repl.question.text))
    repl.print(display_width(line) <= options.width ? Lines{line} : wrap_whole(line, options.width));
}

void show(Repl& repl, const Arguments& args) {
  if (!args.empty()) repl.side(args[0], "/show [words|thoughts]");
  repl.require_question();
  if (args.empty()) return show_question(repl);
  require(repl.replies.has_value(), "repl", "expected a reply first: /again");
  const Reply& reply = (*repl.replies)[args[0] == "words" ? 0 : 1];
  repl.print(whole_reply({args[0], reply}, repl.question.asked(), repl.render_options()));
}

void again(Repl& repl, const Arguments&) {
  repl.require_question();
  repl.answer_again();
}

void seed(Repl& repl, const Arguments& args) {
  if (!args.empty()) set_seed_of(repl, args[0]);
  repl.print({"seed " + std::to_string(repl.settings.seed) + ", next problem " + std::to_string(repl.next)});
}

}  // namespace

std::vector<ReplCommand> repl_problem_commands() {
  return {
      {"/new",
       "[SEED]",
       "draw a fresh problem of the models' task and answer it",
       {"With SEED it is the first of that seed, and the next /new draws the second."},
       0,
       1,
       fresh},
      {"/show",
       "[SIDE]",
       "the current problem's graph and question, or all that a side said",
       {"With SIDE, words or thoughts, its last reply to the question: the whole chain of words, which pictures and",
        "/trace cut short, and the answer. Thoughts that are no words are read by /lens."},
       0,
       1,
       show,
       [](const Repl&, const Arguments& before, const std::string&) {
         return before.empty() ? std::vector<std::string>{"words", "thoughts"} : std::vector<std::string>{};
       }},
      {"/again", "", "answer the current question with the settings as they are now", {}, 0, 0, again},
      {"/seed", "[N]", "the seed of fresh problems, or another one from its start", {}, 0, 1, seed},
  };
}

}  // namespace tacit
