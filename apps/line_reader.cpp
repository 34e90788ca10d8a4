#include "apps/line_reader.h"

#include <algorithm>
#include <iostream>

#if TACIT_HAS_LIBEDIT
#include <histedit.h>
#include <signal.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "apps/render.h"
#include "apps/terminal.h"
#endif

namespace tacit {
namespace {

class PlainLines : public LineReader {
 public:
  explicit PlainLines(std::string prompt) : prompt_(std::move(prompt)) {}

  std::optional<std::string> next() override {
    std::cout << prompt_ << std::flush;
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }

 private:
  std::string prompt_;
};

#if TACIT_HAS_LIBEDIT

std::filesystem::path history_file() {
  namespace fs = std::filesystem;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (state && *state) {
    folder = state;
  } else if (home && *home) {
    folder = fs::path(home) / ".local/state";
  } else {
    return {};
  }
  std::error_code ignored;
  fs::create_directories(folder / "tacit", ignored);
  return folder / "tacit/history";
}

class EditedLines : public LineReader {
 public:
  EditedLines(std::string prompt, Completer completer) : prompt_(std::move(prompt)), completer_(std::move(completer)) {
    std::setlocale(LC_CTYPE, "");  // libedit measures characters by it
    edit_ = el_init("tacit", stdin, stdout, stderr);
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, 1000);
    history(history_, &event, H_SETUNIQUE, 1);
    if (!file_.empty()) history(history_, &event, H_LOAD, file_.c_str());
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_PROMPT, &EditedLines::show_prompt);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_HIST, history, history_);
    el_set(edit_, EL_ADDFN, "tacit-complete", "complete the word", &EditedLines::complete);
    el_set(edit_, EL_BIND, "^I", "tacit-complete", nullptr);
    el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    // While a line is edited Ctrl-C and Ctrl-Z are keys: a signal would reach the program in the middle of libedit's
    // work.
    el_set(edit_, EL_SETTY, "-d", "-isig", nullptr);
    el_set(edit_, EL_ADDFN, "tacit-cancel", "abandon the line", &EditedLines::cancel);
    el_set(edit_, EL_BIND, "^C", "tacit-cancel", nullptr);
    el_set(edit_, EL_ADDFN, "tacit-suspend", "back to the shell", &EditedLines::suspend);
    el_set(edit_, EL_BIND, "^Z", "tacit-suspend", nullptr);
    el_source(edit_, nullptr);  // the user's ~/.editrc
  }

  ~EditedLines() override {
    HistEvent event;
    if (!file_.empty()) history(history_, &event, H_SAVE, file_.c_str());
    history_end(history_);
    el_end(edit_);
  }

  EditedLines(const EditedLines&) = delete;
  EditedLines& operator=(const EditedLines&) = delete;

  std::optional<std::string> next() override {
    cancelled_ = false;
    // libedit shows the prompt before it takes the terminal out of line mode: a Ctrl-D typed in between would be lost.
    el_set(edit_, EL_PREP_TERM, 1);
    int count = 0;
    const char* text = el_gets(edit_, &count);
    if (cancelled_) return "";
    if (text == nullptr || count <= 0) {
      std::cout << "\n";  // leaves the prompt's line
      return std::nullopt;
    }
    std::string line(text, static_cast<size_t>(count));
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    HistEvent event;
    if (line.find_first_not_of(" \t") != std::string::npos) history(history_, &event, H_ENTER, line.c_str());
    return line;
  }

 private:
  static EditedLines& self(EditLine* edit) {
    void* data = nullptr;
    el_get(edit, EL_CLIENTDATA, &data);
    return *static_cast<EditedLines*>(data);
  }

  static char* show_prompt(EditLine* edit) { return self(edit).prompt_.data(); }

  static unsigned char cancel(EditLine* edit, int) {
    self(edit).cancelled_ = true;
    std::fputs("^C\n", stdout);
    return CC_NEWLINE;
  }

  static unsigned char suspend(EditLine* edit, int) {
    el_set(edit, EL_PREP_TERM, 0);
    raise(SIGTSTP);
    el_set(edit, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
  }

  static unsigned char complete(EditLine* edit, int) {
    const LineInfo* info = el_line(edit);
    const std::string line(info->buffer, info->cursor);
    const size_t space = line.find_last_of(" \t");
    const std::string word = space == std::string::npos ? line : line.substr(space + 1);
    std::vector<std::string> words = self(edit).completer_(line);
    std::erase_if(words, [&](const std::string& candidate) { return !candidate.starts_with(word); });
    if (words.empty()) return CC_ERROR;
    const bool single = words.size() == 1;
    const std::string rest = common_prefix(words).substr(word.size()) + (single && !words[0].ends_with('/') ? " " : "");
    if (!rest.empty()) {
      el_insertstr(edit, rest.c_str());
      return CC_REFRESH;
    }
    show_choices(words);
    return CC_REDISPLAY;
  }

  static void show_choices(const std::vector<std::string>& words) {
    constexpr size_t kMost = 100;
    std::string text = "\n";
    int64_t used = 0;
    for (size_t i = 0; i < std::min(words.size(), kMost); ++i) {
      const int64_t width = display_width(words[i]) + 2;
      if (used > 0 && used + width > output_width()) {
        text += "\n";
        used = 0;
      }
      text += words[i] + "  ";
      used += width;
    }
    if (words.size() > kMost) text += "and " + std::to_string(words.size() - kMost) + " more";
    std::fputs((text + "\n").c_str(), stdout);
    std::fflush(stdout);
  }

  std::string prompt_;
  Completer completer_;
  std::filesystem::path file_ = history_file();
  EditLine* edit_ = nullptr;
  History* history_ = nullptr;
  bool cancelled_ = false;
};

#endif

}  // namespace

std::string common_prefix(const std::vector<std::string>& words) {
  if (words.empty()) return "";
  std::string prefix = words[0];
  for (const std::string& word : words) {
    const auto end = std::mismatch(prefix.begin(), prefix.end(), word.begin(), word.end()).first;
    prefix.erase(end, prefix.end());
  }
  return prefix;
}

std::unique_ptr<LineReader> plain_lines() { return std::make_unique<PlainLines>(""); }

std::unique_ptr<LineReader> edited_lines(const std::string& prompt, Completer completer) {
#if TACIT_HAS_LIBEDIT
  return std::make_unique<EditedLines>(prompt, std::move(completer));
#else
  return std::make_unique<PlainLines>(prompt);
#endif
}

}  // namespace tacit
