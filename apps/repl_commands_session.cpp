#include "apps/repl_command.h"
#include "apps/repl_session.h"
#include "apps/thought_readout.h"

namespace tacit {
namespace {

using Arguments = Repl::Arguments;

void save(Repl& repl, const Arguments& args) {
  save_session(repl, args[0]);
  repl.print({"saved " + printable(args[0])});
}

void load(Repl& repl, const Arguments& args) {
  load_session(repl, args[0]);
  repl.greet_sides();
  if (repl.question.text.empty()) return;
  if (repl.question.graph) {
    repl.print(graph_picture(*repl.question.graph, repl.render_options()));
  } else {
    repl.print(wrap_text(printable(join_words(split_words(repl.question.text))), repl.render_options().width));
  }
  repl.print({""});
  repl.show_replies();
}

}  // namespace

std::vector<ReplCommand> repl_session_commands() {
  const auto files = [](const Repl&, const Arguments& before, const std::string& word) {
    return before.empty() ? file_choices(word) : std::vector<std::string>{};
  };
  return {
      {"/save",
       "FILE",
       "settings, question and replies as JSON",
       {"A session's file is written anew; any other is left alone. A FILE with spaces stands in quotes, or has a",
        "backslash before each."},
       1,
       1,
       save,
       files,
       /*paths=*/true},
      {"/load",
       "FILE",
       "go on where /save stopped",
       {"The replies are shown as they were; /again answers anew. The checkpoints must lie where they lay."},
       1,
       1,
       load,
       files,
       /*paths=*/true},
  };
}

}  // namespace tacit
