#include <unistd.h>

#include <iostream>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/known_names.h"
#include "apps/line_reader.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/repl.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "apps/thought_readout.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr const char* kPrompt = "tacit> ";

struct Conversation {
  bool interactive = false;
  bool echo = false;    // entries stand before their output, where no terminal shows them
  bool strict = false;  // the first command that fails ends it
};

// As a terminal would show it; an empty line is nothing to answer.
void print_entry(const std::string& entry) {
  if (split_words(entry).empty()) return;
  std::string prompt = kPrompt;
  for (const std::string& line : printable_lines(entry)) {
    std::cout << prompt << line << "\n";
    prompt = std::string(prompt.size() - 2, '.') + "> ";
  }
}

// A failed command is told on stderr and the loop goes on; the exit status of a script remembers it.
int converse(Repl& repl, LineReader& lines, const Conversation& how) {
  int status = kDone;
  while (true) {
    std::optional<std::string> entry = next_entry(lines);
    if (how.interactive) clear_interrupt();
    if (!entry) break;
    if (how.echo && !how.interactive) print_entry(*entry);
    try {
      if (!repl.handle(*entry)) break;
      continue;
    } catch (const Interrupted&) {
      if (!how.interactive) throw;
      clear_interrupt();
      std::cout << "stopped" << std::endl;
      continue;
    } catch (const std::exception& error) {
      const std::string text = error.what();
      std::cout << std::flush;
      std::cerr << printable(text.substr(0, text.find('\n'))) << std::endl;
      status = kFailed;
    }
    if (how.strict) return status;
  }
  return how.interactive && !how.strict ? kDone : status;
}

int run_repl(const std::vector<std::string>& args) {
  CommonOptions common;
  ReplSettings settings;
  Conversation how;
  bool no_history = false;
  Options options("repl",
                  "The same question answered in words and in thoughts, side by side, every thought read out as bars. "
                  "/help lists the commands.\nFrom a pipe or a file the lines are commands and questions alike; one "
                  "that fails is told on stderr and makes the status 1.",
                  "tacit repl\nprintf '/new 7\\n/latents 2\\n/again\\n' | tacit repl --strict");
  options.common(common, {"seed", "threads", "latents", "recurrences", "device", "dtype", "weights"});
  options.add("words", "DIR", &settings.words, "checkpoint that thinks in words (default: cot of the embedded models)");
  options.add("thoughts", "DIR", &settings.thoughts,
              "checkpoint that thinks in thoughts (default: frontier of the embedded models)");
  options.add("words-method", "NAME", &settings.words_method,
              "how it thinks (default: the checkpoint's own, which one that was not trained here lacks)");
  options.add("thoughts-method", "NAME", &settings.thoughts_method, "the same for the side of thoughts");
  options.add("models", "DIR", &settings.models, "folder of the embedded models (default: found beside the program)");
  options.flag("strict", &how.strict, "stop at the first command that fails, with status 1");
  options.flag("echo", &how.echo, "where lines come from a pipe or a file, print each before its output");
  options.flag("no-history", &no_history, "read and keep no history of lines");
  if (!options.parse(args)) return kDone;
  check_method(options, settings.words_method, "words-method");
  check_method(options, settings.thoughts_method, "thoughts-method");
  use_threads(common.threads);
  settings.seed = common.seed;
  settings.latents = common.latents;
  settings.recurrences = common.recurrences;
  settings.load = load_options(common);
  try {
    settings.models = models_folder(settings.models, "repl");
  } catch (const Error&) {
    // Both sides named: only completion and /compare miss it.
    if (settings.words.empty() || settings.thoughts.empty() || !settings.models.empty()) throw;
  }
  if (settings.words.empty()) settings.words = embedded_model(settings.models, "cot", "repl");
  if (settings.thoughts.empty()) settings.thoughts = embedded_model(settings.models, "frontier", "repl");

  how.interactive = is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO);
  settings.interactive = how.interactive;
  Repl repl(settings);
  const auto complete = [&](const std::string& line) { return repl.completions(line); };
  const std::unique_ptr<LineReader> lines =
      how.interactive ? edited_lines({.prompt = kPrompt, .completer = complete, .history = !no_history})
                      : plain_lines();
  if (how.interactive) repl.greet();
  return converse(repl, *lines, how);
}

}  // namespace

Command repl_command() { return {"repl", "words and thoughts side by side, interactive or from a pipe", run_repl}; }

}  // namespace tacit
