#include "apps/line_reader.h"

#include <algorithm>
#include <iostream>

#include "apps/character_width.h"

#if TACIT_HAS_LIBEDIT
#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <deque>
#include <filesystem>

#include "apps/render.h"
#include "apps/terminal.h"
#endif

namespace tacit {
namespace {

class PlainLines : public LineReader {
 public:
  explicit PlainLines(std::string prompt) : prompt_(std::move(prompt)) {}

  std::optional<std::string> next(bool more) override {
    if (!prompt_.empty()) std::cout << (more ? std::string(prompt_.size() - 2, '.') + "> " : prompt_) << std::flush;
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
  explicit EditedLines(EditedLinesOptions options)
      : first_prompt_(std::move(options.prompt)),
        completer_(std::move(options.completer)),
        file_(options.history ? history_file() : std::filesystem::path()) {
    std::setlocale(LC_CTYPE, "");  // libedit measures characters by it
    edit_ = el_init("tacit", stdin, stdout, stderr);
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kMostHistory);
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
    el_set(edit_, EL_ADDFN, "tacit-paste", "insert what is pasted", &EditedLines::paste);
    el_set(edit_, EL_BIND, "\\e[200~", "tacit-paste", nullptr);
    el_source(edit_, nullptr);  // the user's ~/.editrc
    watch_resizes();
    el_set(edit_, EL_GETCFN, &EditedLines::next_character);
  }

  ~EditedLines() override {
    HistEvent event;
    if (!file_.empty()) history(history_, &event, H_SAVE, file_.c_str());
    history_end(history_);
    el_end(edit_);
  }

  EditedLines(const EditedLines&) = delete;
  EditedLines& operator=(const EditedLines&) = delete;

  bool abandoned() const override { return cancelled_; }

  std::optional<std::string> next(bool more) override {
    prompt_ = more ? std::string(first_prompt_.size() - 2, '.') + "> " : first_prompt_;
    if (!pending_.empty()) return next_pending();
    cancelled_ = false;
    const std::optional<std::string> line = edited();
    if (escapes_) std::fputs(kPasteOff, stdout);
    std::fflush(stdout);
    return line;
  }

 private:
  static constexpr int kMostHistory = 1000;
  // Whether the terminal marks what is pasted (bracketed paste).
  static constexpr const char *kPasteOn = "\x1b[?2004h", *kPasteOff = "\x1b[?2004l";

  std::optional<std::string> edited() {
    // libedit shows the prompt before it takes the terminal out of line mode: a Ctrl-D typed in between would be lost.
    el_set(edit_, EL_PREP_TERM, 1);
    if (escapes_) std::fputs(kPasteOn, stdout);
    std::fflush(stdout);
    int count = 0;
    const char* text = el_gets(edit_, &count);
    if (cancelled_) return "";
    if (text == nullptr || count <= 0) {
      std::cout << "\n";  // leaves the prompt's line
      return std::nullopt;
    }
    std::string line(text, static_cast<size_t>(count));
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    remember(line);
    return line;
  }

  void remember(const std::string& line) {
    HistEvent event;
    if (line.find_first_not_of(" \t") != std::string::npos) history(history_, &event, H_ENTER, line.c_str());
  }

  // A pasted line that waits for those before it, shown as if it were typed.
  std::optional<std::string> next_pending() {
    const std::string line = pending_.front();
    pending_.pop_front();
    std::cout << prompt_ << line << std::endl;
    remember(line);
    return line;
  }

  static EditedLines& self(EditLine* edit) {
    void* data = nullptr;
    el_get(edit, EL_CLIENTDATA, &data);
    return *static_cast<EditedLines*>(data);
  }

  // A handler may arrive on any thread, between two looks at a flag: a pipe wakes the reader whenever it does.
  static inline int resized_[2] = {-1, -1};

  static void on_resize(int) {
    const int saved = errno;
    [[maybe_unused]] const ssize_t told = ::write(resized_[1], "", 1);
    errno = saved;
  }

  static void watch_resizes() {
    if (resized_[0] >= 0 || ::pipe2(resized_, O_NONBLOCK | O_CLOEXEC) != 0) return;
    struct sigaction action {};
    action.sa_handler = on_resize;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGWINCH, &action, nullptr);
  }

  // EL_GETCFN: libedit's own, which draws the line anew when the terminal gets another size.
  static int next_character(EditLine* edit, wchar_t* out) {
    std::mbstate_t state{};
    while (true) {
      pollfd ready[2] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                         {.fd = resized_[0], .events = POLLIN, .revents = 0}};
      if (::poll(ready, 2, -1) < 0 && errno != EINTR) return -1;
      if (ready[1].revents & POLLIN) {
        char bytes[64];
        while (::read(resized_[0], bytes, sizeof bytes) > 0) {}
        redraw(edit);
        continue;
      }
      if (ready[0].revents == 0) continue;
      char byte = 0;
      const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) return static_cast<int>(count);
      constexpr auto kNone = static_cast<size_t>(-1), kMore = static_cast<size_t>(-2);
      const bool began = std::mbsinit(&state) == 0;
      size_t used = std::mbrtowc(out, &byte, 1, &state);
      if (used == kNone && began) {  // the bytes before are no character, but this one may begin one
        state = {};
        used = std::mbrtowc(out, &byte, 1, &state);
      }
      if (used == kNone) state = {};
      if (used != kNone && used != kMore) return 1;
    }
  }

  // The terminal's own: output_width() is never less than 20.
  static int64_t terminal_columns() {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : output_width();
  }

  // Most terminals fold the line anew on their own: it is taken back from where it now begins. In those that do not
  // (xterm cuts it), and where libedit ended a row at a space, which they take for a line's end, rows of it may stay
  // above. Without escapes it cannot be taken back, and stays.
  static void redraw(EditLine* edit) {
    const EditedLines& me = self(edit);
    el_resize(edit);
    if (!me.escapes_) return;
    const LineInfo* info = el_line(edit);
    const int64_t rows = rows_above_cursor(me.prompt_ + std::string(info->buffer, info->cursor), terminal_columns());
    std::fputs("\r", stdout);
    if (rows > 0) std::fputs(("\x1b[" + std::to_string(rows) + "A").c_str(), stdout);
    std::fputs("\x1b[J", stdout);
    std::fflush(stdout);
    el_set(edit, EL_REFRESH);
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

  static unsigned char paste(EditLine* edit, int) {
    constexpr std::wstring_view kEnd = L"\x1b[201~";
    std::wstring text;
    for (wchar_t character; !text.ends_with(kEnd) && el_wgetc(edit, &character) > 0;) text += character;
    if (text.ends_with(kEnd)) text.resize(text.size() - kEnd.size());
    const std::vector<std::string> lines = pasted_lines(to_bytes(text));
    if (lines.empty()) return CC_REFRESH;
    el_insertstr(edit, lines[0].c_str());
    if (lines.size() == 1) return CC_REFRESH;
    self(edit).pending_.assign(lines.begin() + 1, lines.end());
    std::fputs("\n", stdout);
    return CC_NEWLINE;
  }

  static std::string to_bytes(const std::wstring& text) {
    std::string out;
    std::mbstate_t state{};
    for (const wchar_t character : text) {
      std::string bytes(MB_CUR_MAX, '\0');
      const size_t count = std::wcrtomb(bytes.data(), character, &state);
      if (count != static_cast<size_t>(-1)) out.append(bytes, 0, count);
    }
    return out;
  }

  static unsigned char complete(EditLine* edit, int) {
    const LineInfo* info = el_line(edit);
    const std::string line(info->buffer, info->cursor);
    const std::string word = line.substr(last_word(line));
    std::vector<std::string> words;
    try {
      words = self(edit).completer_(line);
    } catch (const std::exception&) {  // libedit is C: what cannot be completed yet has no choices
      return CC_ERROR;
    }
    std::erase_if(words, [&](const std::string& candidate) { return !candidate.starts_with(word); });
    if (words.empty()) return CC_ERROR;
    const bool single = words.size() == 1;
    const std::string common = common_prefix(words);  // shorter than the word where that ends with a lone backslash
    const std::string rest =
        common.substr(std::min(common.size(), word.size())) + (single && !words[0].ends_with('/') ? " " : "");
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

  std::string first_prompt_, prompt_;
  Completer completer_;
  std::filesystem::path file_;  // of the history, empty = none is kept
  std::deque<std::string> pending_;
  EditLine* edit_ = nullptr;
  History* history_ = nullptr;
  bool cancelled_ = false;
  const bool escapes_ = output_takes_escapes();
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
  const size_t last = prefix.find_last_not_of('\\');
  const size_t backslashes = prefix.size() - (last == std::string::npos ? 0 : last + 1);
  if (words.size() > 1 && backslashes % 2 == 1) prefix.pop_back();
  return prefix;
}

int64_t rows_above_cursor(std::string_view text, int64_t columns) {
  constexpr int64_t kTab = 8;
  int64_t rows = 0, column = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = next_character(text, i);
    i += character.bytes;
    if (character.code == '\n') {
      ++rows;
      column = 0;
      continue;
    }
    const bool control = character.code < 0x20 || character.code == 0x7F;
    int64_t width = character_width(character.code);
    if (control) width = character.code == '\t' ? kTab - column % kTab : 2;
    if (width == 2 && !control && column + width > columns) {  // does not fit into the row's last column
      ++rows;
      column = 0;
    }
    column += width;
    rows += column / columns;  // behind a full row the cursor stands on the next
    column %= columns;
  }
  return rows;
}

size_t last_word(const std::string& line) {
  size_t begin = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == ' ' || line[i] == '\t') {
      begin = i + 1;
    }
  }
  return begin;
}

std::unique_ptr<LineReader> plain_lines() { return std::make_unique<PlainLines>(""); }

std::optional<std::string> next_entry(LineReader& lines) {
  std::optional<std::string> entry = lines.next();
  while (entry && entry->ends_with('\\')) {
    const std::optional<std::string> more = lines.next(/*more=*/true);
    if (lines.abandoned()) return more;
    entry->back() = '\n';
    if (!more) {  // the input is over: what was said stands
      entry->pop_back();
      break;
    }
    *entry += *more;
  }
  return entry;
}

std::vector<std::string> pasted_lines(const std::string& text) {
  std::vector<std::string> lines = {""};
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' || text[i] == '\n') {
      if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
      lines.emplace_back();
    } else {
      lines.back() += text[i];
    }
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  const auto commands = [](const std::string& line) { return line.starts_with('/') || line.starts_with('#'); };
  if (lines.size() < 2 || std::ranges::any_of(lines, commands)) return lines;
  std::string joined = lines[0];
  for (size_t i = 1; i < lines.size(); ++i) joined += "\n" + lines[i];
  return {joined};
}

std::unique_ptr<LineReader> edited_lines(EditedLinesOptions options) {
#if TACIT_HAS_LIBEDIT
  return std::make_unique<EditedLines>(std::move(options));
#else
  return std::make_unique<PlainLines>(options.prompt);
#endif
}

}  // namespace tacit
