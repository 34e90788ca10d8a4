#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tacit {

// What may stand in place of the last word of `line`, complete words.
using Completer = std::function<std::vector<std::string>(const std::string& line)>;

// Where the REPL's lines come from.
class LineReader {
 public:
  virtual ~LineReader() = default;
  // The next line without its end; nothing at the end of the input. A line abandoned with Ctrl-C is empty (where lines
  // can be edited).
  virtual std::optional<std::string> next() = 0;
};

// Lines of standard input as they are: no prompt, no history.
std::unique_ptr<LineReader> plain_lines();

// A prompt with editing, completion and a history that is kept in $XDG_STATE_HOME/tacit/history. Plain lines behind a
// prompt in a build without libedit.
std::unique_ptr<LineReader> edited_lines(const std::string& prompt, Completer completer);

// The longest text that all words begin with.
std::string common_prefix(const std::vector<std::string>& words);

}  // namespace tacit
