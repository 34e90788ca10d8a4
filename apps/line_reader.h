#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// What may stand in place of the last word of `line`, complete words.
using Completer = std::function<std::vector<std::string>(const std::string& line)>;

// Where the REPL's lines come from.
class LineReader {
 public:
  virtual ~LineReader() = default;
  // The next line without its end; nothing at the end of the input. A line abandoned with Ctrl-C is empty (where lines
  // can be edited). `more`: it goes on with the one before, which its prompt shows. A line may hold line ends where it
  // was pasted.
  virtual std::optional<std::string> next(bool more = false) = 0;
  virtual bool abandoned() const { return false; }  // whether the last line was
};

// Lines of standard input as they are: no prompt, no history.
std::unique_ptr<LineReader> plain_lines();

struct EditedLinesOptions {
  std::string prompt;
  Completer completer;
  bool history = true;  // kept in $XDG_STATE_HOME/tacit/history, at most 1000 lines
};

// A prompt with editing, completion and a history. What is pasted at once is one line, unless a line of it begins with
// '/' or '#': then each is one of its own. Plain lines behind a prompt in a build without libedit.
std::unique_ptr<LineReader> edited_lines(EditedLinesOptions options);

// A line with those that follow it while they end with a backslash, joined by line ends.
std::optional<std::string> next_entry(LineReader& lines);

// Pasted text as lines to read one after the other: one that holds all, or each of them where one begins with '/' or
// '#'. Line ends at the end do not count.
std::vector<std::string> pasted_lines(const std::string& text);

// Rows of a terminal of `columns` columns above the one on which the cursor stands behind `text`, drawn from a row's
// begin as libedit draws it: a line end begins a row, a tab goes to the next multiple of 8, other controls are ^A.
int64_t rows_above_cursor(std::string_view text, int64_t columns);

// Where the last word of a line begins, behind a space that has no backslash before it.
size_t last_word(const std::string& line);

// The longest text that all words begin with; of several without a backslash whose letter is not the same in all.
std::string common_prefix(const std::vector<std::string>& words);

}  // namespace tacit
