#include "apps/repl_command.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "apps/line_reader.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {

const std::vector<ReplCommand>& repl_commands() {
  static const std::vector<ReplCommand> all = [] {
    std::vector<ReplCommand> joined;
    for (auto* group : {repl_problem_commands, repl_settings_commands, repl_look_commands, repl_change_commands,
                        repl_measure_commands, repl_session_commands, repl_help_commands}) {
      std::ranges::move(group(), std::back_inserter(joined));
    }
    return joined;
  }();
  return all;
}

const ReplCommand& find_repl_command(const std::string& name) {
  std::vector<std::string> known;
  for (const ReplCommand& command : repl_commands()) {
    if (command.name == name) return command;
    known.push_back(command.name);
  }
  fail("repl", "expected a command that /help lists but got '", name, "'", did_you_mean(name, known));
}

const Thinker& chosen_side(const Repl& repl, const std::string& name) {
  return name == "words" ? repl.words : repl.thoughts;
}

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::vector<std::string> split_arguments(const std::string& line) {
  std::vector<std::string> out;
  bool inside = false;  // an argument has begun
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
      inside = false;
      continue;
    }
    const bool begins = !inside;
    if (begins) out.emplace_back();
    inside = true;
    if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      out.back() += line[++i];
    } else if (begins && (c == '"' || c == '\'')) {
      quote = c;
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else {
      out.back() += c;
    }
  }
  require(quote == 0, "repl", "expected the other ", std::string(1, quote), " of a path in quotes but got '", line,
          "'");
  return out;
}

std::string quoted_argument(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\\' || c == '"' || c == '\'') out += '\\';
    out += c;
  }
  return out;
}

std::vector<std::string> file_choices(const std::string& word) {
  const size_t slash = word.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : word.substr(0, slash + 1);
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? "." : folder, ignored)) {
    const bool inside = entry.is_directory(ignored);
    found.push_back(folder + entry.path().filename().string() + (inside ? "/" : ""));
  }
  std::ranges::sort(found);
  return found;
}

std::vector<std::string> model_choices(const Repl& repl, const std::string& word) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(repl.settings.models, ignored)) {
    if (entry.is_directory(ignored)) found.push_back(entry.path().string());
  }
  std::ranges::sort(found);
  if (!word.empty()) std::ranges::move(file_choices(word), std::back_inserter(found));
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<std::string> Repl::completions(const std::string& line) const {
  const size_t begin = last_word(line);
  Arguments before = split_words(line.substr(0, begin));
  std::string word = line.substr(begin);
  std::vector<std::string> choices;
  if (before.empty() && word.starts_with("/")) {
    for (const ReplCommand& command : repl_commands()) choices.push_back(command.name);
  } else if (!before.empty() && before[0].starts_with("/")) {
    for (const ReplCommand& command : repl_commands()) {
      if (command.name != before[0] || !command.complete) continue;
      if (command.paths) {
        before = split_arguments(line.substr(0, begin));
        const Arguments one = split_arguments(word);
        word = one.empty() ? "" : one[0];
      }
      before.erase(before.begin());
      choices = command.complete(*this, before, word);
      if (!command.paths) break;
      for (std::string& choice : choices) choice = quoted_argument(choice);
      break;
    }
  } else {
    const Tokenizer& tokenizer = *thoughts.loaded.tokenizer;
    for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) choices.push_back(tokenizer.token(id));
  }
  return choices;
}

}  // namespace tacit
