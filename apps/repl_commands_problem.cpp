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

void show(Repl& repl, const Arguments&) {
  repl.require_question();
  if (repl.question.graph) repl.print(graph_picture(*repl.question.graph, repl.render_options()));
  repl.print(printable_lines(repl.question.text));
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
      {"/show", "", "the current problem's graph and question", {}, 0, 0, show},
      {"/again", "", "answer the current question with the settings as they are now", {}, 0, 0, again},
      {"/seed", "[N]", "the seed of fresh problems, or another one from its start", {}, 0, 1, seed},
  };
}

}  // namespace tacit
