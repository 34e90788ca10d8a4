#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/repl.h"

namespace tacit {

struct ReplCommand {
  std::string name, arguments, help;
  std::vector<std::string> details;  // of `/help name`, below the line of help
  size_t least = 0, most = 0;        // number of arguments
  std::function<void(Repl&, const Repl::Arguments&)> run;
  // What may stand behind the arguments `before`, of which `word` is typed already; may be empty.
  std::function<std::vector<std::string>(const Repl&, const Repl::Arguments& before, const std::string& word)>
      complete = {};
  bool paths = false;  // arguments are split by split_arguments()
};

// As split_words(), but a space counts as a letter behind a backslash and between quotes, which begin an argument: in
// it's.json there is none. Fails on a quote without its other half.
std::vector<std::string> split_arguments(const std::string& line);
std::string quoted_argument(const std::string& text);  // what it gives back, with backslashes

// In the order of /help.
const std::vector<ReplCommand>& repl_commands();
// Fails naming the nearest.
const ReplCommand& find_repl_command(const std::string& name);

// One a file.
std::vector<ReplCommand> repl_problem_commands();   // /new /show /again /seed
std::vector<ReplCommand> repl_settings_commands();  // /model /method /latents /set
std::vector<ReplCommand> repl_look_commands();      // /trace /lens
std::vector<ReplCommand> repl_change_commands();    // /swap /branch /edit
std::vector<ReplCommand> repl_measure_commands();   // /compare /bench
std::vector<ReplCommand> repl_session_commands();   // /save /load
std::vector<ReplCommand> repl_help_commands();      // /help /quit

// The side called so: "words", else thoughts.
const Thinker& chosen_side(const Repl& repl, const std::string& name);

// "0.250": so many digits behind the point.
std::string fixed(double value, int digits);

// For completion: files and folders that begin with `word`; folders of the models and, behind them, those of `word`.
std::vector<std::string> file_choices(const std::string& word);
std::vector<std::string> model_choices(const Repl& repl, const std::string& word);

}  // namespace tacit
