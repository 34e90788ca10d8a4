#include <doctest/doctest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <vector>

#include "apps/graph_question.h"
#include "tests/apps/repl_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

struct Look {
  uint16_t columns = 110;
  const char* term = "xterm";
};

// The program on a terminal of its own.
class Terminal {
 public:
  Terminal(const std::filesystem::path& models, const std::filesystem::path& state, const char* more = nullptr,
           const Look& look = {}) {
    std::vector<std::string> args = {"repl", "--models", models};
    if (more) args.emplace_back(more);
    start(args, state, look);
  }
  Terminal(const std::vector<std::string>& args, const Look& look) { start(args, "/nowhere", look); }
  ~Terminal() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(screen_);
  }

  void type(const std::string& keys) {
    seen_.clear();
    shown_ = 0;
    REQUIRE(::write(screen_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }

  // Reads until `text` has appeared after what was last asked for, at most 60 seconds. The editor repeats the prompt
  // whenever it redraws a line, so the prompt that takes the next line is the one after the answer. Once it shows, keys
  // are the editor's: before it Ctrl-D would be lost.
  bool shows(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    size_t at;
    while ((at = seen_.find(text, shown_)) == std::string::npos) {
      pollfd ready{.fd = screen_, .events = POLLIN, .revents = 0};
      if (std::chrono::steady_clock::now() > end) return false;
      if (::poll(&ready, 1, 200) <= 0) continue;
      char buffer[4096];
      const ssize_t count = ::read(screen_, buffer, sizeof buffer);
      if (count <= 0) return false;
      seen_.append(buffer, static_cast<size_t>(count));
    }
    shown_ = at + text.size();
    return true;
  }

  void resize(uint16_t columns) {
    const winsize size{.ws_row = 40, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    REQUIRE(::ioctl(screen_, TIOCSWINSZ, &size) == 0);
  }

  const std::string& seen() const { return seen_; }

  // Exit code once it has left; reads what it still writes. -1 when it stays.
  int leave() {
    CHECK(!shows("\xff"));  // no text holds this byte: reads to the end
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) {
      ::usleep(1'000'000);
      if (::waitpid(pid_, &status, WNOHANG) == 0) return -1;
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  void start(std::vector<std::string> args, const std::filesystem::path& state, const Look& look) {
    args.insert(args.begin(), TACIT_BINARY);
    std::vector<char*> words;
    for (std::string& arg : args) words.push_back(arg.data());
    words.push_back(nullptr);
    const winsize size{.ws_row = 40, .ws_col = look.columns, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = forkpty(&screen_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::setenv("TERM", look.term, 1);
      ::setenv("XDG_STATE_HOME", state.c_str(), 1);
      ::setenv("LC_ALL", "C.UTF-8", 1);
      ::execv(TACIT_BINARY, words.data());
      ::_exit(127);
    }
  }

  int screen_ = -1;
  pid_t pid_ = 0;
  std::string seen_;
  size_t shown_ = 0;  // end of the text last waited for
};

}  // namespace

TEST_CASE("on a terminal: prompt, colour, completion, history, Ctrl-C for a line, Ctrl-D to leave") {
  const ScratchFolder state;
  {
    Terminal terminal(models(), state.path());
    REQUIRE(terminal.shows("tacit> "));
    terminal.type("/sh\t\r");  // completes to /show, which has nothing to show yet
    CHECK(terminal.shows("a question first"));
    CHECK(terminal.shows("tacit> "));
    terminal.type(std::string(kQuestion) + "\r");
    CHECK(terminal.shows("thoughts · frontier"));
    CHECK(terminal.shows("tacit> "));
    CHECK(holds(terminal.seen(), "\x1b["));
    terminal.type("/nonsense");
    CHECK(terminal.shows("/nonsense"));  // echoed: the line editor is reading
    terminal.type("\x03");
    CHECK(terminal.shows("tacit> "));
    CHECK(!holds(terminal.seen(), "expected a command"));
    terminal.type("/method words c\t\t");  // several: the second Tab lists them
    CHECK(terminal.shows("cot-frontier"));
    CHECK(terminal.shows("tacit> "));  // the line, drawn again below the list
    terminal.type("\x03");
    CHECK(terminal.shows("tacit> "));
    terminal.type("\x03");  // on an empty line it does not leave either
    CHECK(terminal.shows("tacit> "));
    terminal.type("\x04");
    CHECK(terminal.leave() == 0);
  }
  const std::string history = read_file(state / "tacit" / "history", "test");
  CHECK(holds(history, "/show"));
  CHECK(!holds(history, "nonsense"));
}

TEST_CASE("Ctrl-C stops a generation, not the program") {
  const ScratchFolder state, folder;
  write_tiny_checkpoint(folder.path() / "cot", "cot", 1);
  write_tiny_checkpoint(folder.path() / "frontier", "frontier", 2, 32, 100'000);
  Terminal terminal(folder.path(), state.path());
  REQUIRE(terminal.shows("tacit> "));
  terminal.type("/latents 90000\r");  // minutes
  REQUIRE(terminal.shows("up to 90000"));
  REQUIRE(terminal.shows("tacit> "));
  terminal.type(std::string(kQuestion) + "\r");
  REQUIRE(terminal.shows("3 steps"));  // of the picture, drawn before the thinking
  ::usleep(500'000);
  terminal.type("\x03");
  CHECK(terminal.shows("stopped"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("/show\r");  // stopped, not refused: it is the question
  CHECK(terminal.shows(kQuestion));
  CHECK(terminal.shows("tacit> "));
  terminal.type("/seed\r");
  CHECK(terminal.shows("next problem"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("a question pasted over several lines is one question, pasted commands are several") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path());
  REQUIRE(terminal.shows("\x1b[?2004h"));  // asks the terminal to mark what is pasted
  terminal.type("\x1b[200~5 12 | 5 7 |\r12 3 | 7 9 |\r9 22 | 1 31 | [Q] 22 31 [R] 5\r\x1b[201~");
  terminal.type("\r");
  CHECK(terminal.shows("Which can be reached from"));
  CHECK(terminal.shows("(8 nodes, 6 edges)"));
  CHECK(terminal.shows("thoughts · frontier"));
  CHECK(terminal.shows("\x1b[?2004h"));
  CHECK(!holds(terminal.seen(), "expected"));
  terminal.type("\x1b[200~/latents 2\r/seed 9\r/method\r\x1b[201~");
  CHECK(terminal.shows("thoughts: up to 2"));
  CHECK(terminal.shows("seed 9"));
  CHECK(terminal.shows("words: cot   thoughts: frontier"));
  CHECK(terminal.shows("\x1b[?2004h"));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("thoughts and words show as they are made, and the line that shows them is taken back") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path());
  REQUIRE(terminal.shows("tacit> "));
  terminal.type(std::string(kQuestion) + "\r");
  CHECK(terminal.shows("words, word 1:"));
  CHECK(terminal.shows("\r\x1b[2K"));
  CHECK(terminal.shows("thoughts, thought 1:"));
  CHECK(terminal.shows("\r\x1b[2K"));
  CHECK(terminal.shows("words · cot"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("--no-history keeps none and reads none") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path(), "--no-history");
  REQUIRE(terminal.shows("tacit> "));
  terminal.type("/seed\r");
  CHECK(terminal.shows("next problem"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
  CHECK(!std::filesystem::exists(state / "tacit" / "history"));
}

TEST_CASE("Tab completes methods, settings, models and files") {
  const ScratchFolder state;
  write_file_atomic(state / "my file", "{}", "test");
  Terminal terminal(models(), state.path());
  REQUIRE(terminal.shows("tacit> "));
  const std::vector<std::pair<std::string, std::string>> table = {
      {"/method thoughts pau\t\r", "thoughts: pause"},
      {"/set thr\t\r", "threads "},
      {"/set col\toff\r", "colour off"},
      {"/model words " + (models() / "dir").string() + "\t\r", "/direct (direct)"},
      {"/model words " + (models() / "cot").string() + " dir\t\r", "/cot (direct)"},
      {"/load " + (models() / "direct" / "conf").string() + "\t\r", "that /save wrote but got"},
      {"/help /br\t\r", "The first STEP thoughts are the same."},
      {"/help br\t\r", "The first STEP thoughts are the same."},
      {"/load " + (state / "my f").string().replace((state / "my f").string().rfind(' '), 1, "\\ ") + "\t\r",
       "that /save wrote but got " + (state / "my file").string()},
  };
  for (const auto& [keys, expected] : table) {
    CAPTURE(keys);
    terminal.type(keys);
    CHECK(terminal.shows(expected));
    CHECK(terminal.shows("tacit> "));
  }
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("a line that is edited while the terminal gets another size is drawn anew, and still the same line") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path());
  REQUIRE(terminal.shows("tacit> "));
  terminal.type("/se");
  CHECK(terminal.shows("/se"));
  terminal.resize(50);
  CHECK(terminal.shows("\x1b[J"));
  CHECK(terminal.shows("tacit> /se"));
  terminal.type("ed\r");
  CHECK(terminal.shows("seed 0, next problem 0"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("# ä");  // characters of several bytes come whole
  CHECK(terminal.shows("# ä"));
  terminal.type("\r");
  CHECK(terminal.shows("tacit> "));
  terminal.type("#\xc3");  // begins a character that the next byte does not go on with, but begins another
  terminal.type("ab");
  CHECK(terminal.shows("ab"));
  terminal.type("\r");
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("a line of several rows is taken back whole at every size") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path());
  REQUIRE(terminal.shows("tacit> "));
  const auto resized = [&](uint16_t columns, const std::string& expected) {
    CAPTURE(columns);
    terminal.type("");
    terminal.resize(columns);
    CHECK(terminal.shows("\x1b[J"));
    CAPTURE(terminal.seen());
    CHECK(holds(terminal.seen(), "\r" + expected + "\x1b[J"));
    CHECK(terminal.shows("] 5"));
  };
  terminal.type("\x1b[200~5 12 | 5 7 |\r12 3 | 7 9 |\r9 22 | 1 31 | [Q] 22 31 [R] 5\r\x1b[201~");
  CHECK(terminal.shows("[R] 5"));
  resized(60, "\x1b[2A");  // of 19, 12 and 29 columns
  resized(25, "\x1b[3A");
  resized(12, "\x1b[6A");  // narrower than what anything else is drawn for: 2, 2 and 3 rows
  terminal.type("\x03");
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("a line on a terminal that knows no escapes is not drawn again beside itself when the size changes") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path(), nullptr, {.term = "dumb"});
  REQUIRE(terminal.shows("tacit> "));
  terminal.type("/se");
  CHECK(terminal.shows("/se"));
  terminal.resize(50);
  ::usleep(500'000);  // nothing tells that it was seen
  terminal.type("ed\r");
  CHECK(terminal.shows("seed 0, next problem 0"));
  CHECK(!holds(terminal.seen().substr(0, terminal.seen().find("seed 0")), "tacit>"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}

TEST_CASE("a terminal that knows no escapes gets none") {
  const ScratchFolder state;
  Terminal terminal(models(), state.path(), nullptr, {.term = "dumb"});
  REQUIRE(terminal.shows("tacit> "));
  CHECK(!holds(terminal.seen(), "\x1b"));
  terminal.type(std::string(kQuestion) + "\r");
  CHECK(terminal.shows("thoughts · frontier"));
  CHECK(terminal.shows("tacit> "));
  CHECK(!holds(terminal.seen(), "\x1b"));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
  CHECK(!holds(terminal.seen(), "\x1b"));
}

TEST_CASE("--help on a terminal keeps to its width") {
  using Words = std::vector<std::string>;
  for (const Words& command :
       {Words{}, Words{"repl"}, Words{"data", "show"}, Words{"data", "convert"}, Words{"probe"}, Words{"eval"}}) {
    for (const uint16_t columns : {80, 64}) {
      Words args = command;
      args.emplace_back("--help");
      Terminal terminal(args, {.columns = columns});
      CHECK(terminal.leave() == 0);
      CAPTURE(join_words(args));
      std::istringstream lines(terminal.seen());
      int64_t count = 0;
      for (std::string line; std::getline(lines, line) && !line.starts_with("Example:"); ++count) {
        CAPTURE(line);
        CHECK(std::ssize(line) <= columns + 1);  // with the carriage return
      }
      CHECK(count > 10);
    }
  }
}

TEST_CASE("--help on a terminal keeps its indents, and breaks no sentence but at the edge") {
  const auto help = [](std::vector<std::string> args) {
    args.emplace_back("--help");
    Terminal terminal(args, {.columns = 64});
    CHECK(terminal.leave() == 0);
    std::string text = terminal.seen();
    std::erase(text, '\r');
    return text;
  };
  CHECK(holds(help({"data", "show"}),
              "\n  FILE: JSON lines, ProsQA's JSON, with '--task' that task's\n  file, or a task"));
  CHECK(holds(help({"eval"}), "and time. With\n--out also a run folder, resumed where it was interrupted.\n"));
  CHECK(holds(help({"probe"}), "\n  lens            "));
}
