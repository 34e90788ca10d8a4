#include <algorithm>
#include <cctype>

#include "apps/repl_command.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

using Arguments = Repl::Arguments;

Lines hanging(const std::string& head, const std::string& text, int64_t indent, int64_t width) {
  const Lines body = wrap_text(text, std::max<int64_t>(width - indent, 20));
  Lines lines;
  const bool fits = display_width(head) < indent;
  if (!fits) lines.push_back(clip(head, width));
  for (size_t i = 0; i < body.size(); ++i) lines.push_back(pad(i == 0 && fits ? head : "", indent) + body[i]);
  return lines;
}

void help(Repl& repl, const Arguments& args) {
  const int64_t width = repl.render_options().width;
  if (!args.empty()) {
    const std::string name = args[0].starts_with("/") ? args[0] : "/" + args[0];
    const ReplCommand& command = find_repl_command(name);
    repl.print({clip(command.name + " " + command.arguments, width)});
    std::string text = command.help + ".";
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    for (const std::string& more : command.details) text += " " + more;
    for (const std::string& line : wrap_text(text, width - 2)) repl.print({"  " + line});
    return;
  }
  const int64_t indent = width >= 90 ? 44 : std::clamp<int64_t>(width / 3, 16, 30);
  Lines lines;
  const auto add = [&](const std::string& head, const std::string& text) {
    const Lines more = hanging(head, text, indent, width);
    lines.insert(lines.end(), more.begin(), more.end());
  };
  for (const ReplCommand& command : repl_commands()) add(command.name + " " + command.arguments, command.help);
  add("any other line", "a question, such as: 17 3 | 5 17 | 22 9 | [Q] 3 9 [R] 5");
  lines.emplace_back();
  for (const std::string& line :
       wrap_text("Tab completes, Ctrl-C stops a generation, # begins a comment, a line that ends with \\ goes on, a "
                 "question pasted over several lines is one. /help COMMAND says more.",
                 width)) {
    lines.push_back(line);
  }
  repl.print(lines);
}

}  // namespace

std::vector<ReplCommand> repl_help_commands() {
  const auto names = [](const Repl&, const Arguments& before, const std::string& word) {
    const size_t slash = word.empty() || word.starts_with("/") ? 0 : 1;  // /help set is /help /set
    std::vector<std::string> all;
    for (const ReplCommand& command : repl_commands()) {
      if (before.empty()) all.push_back(command.name.substr(slash));
    }
    return all;
  };
  return {
      {"/help", "[COMMAND]", "this list, or more about a command", {}, 0, 1, help, names},
      {"/quit", "", "leave, as Ctrl-D does", {}, 0, 0, [](Repl& repl, const Arguments&) { repl.leaving = true; }},
  };
}

}  // namespace tacit
