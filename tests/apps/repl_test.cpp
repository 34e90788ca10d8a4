#include <doctest/doctest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "tests/apps/model_folder.h"
#include "tests/lib/core_support.h"
#include "tests/support/run_binary.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const std::filesystem::path& models() {
  static const ScratchFolder folder;
  static const bool written = (write_tiny_models(folder.path()), true);
  (void)written;
  return folder.path();
}

Finished script(const std::string& input, std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"repl", "--models", models().string()};
  args.insert(args.end(), more.begin(), more.end());
  return run_tacit(args, {.input = input});
}

int64_t lines_in(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// The program on a terminal of its own, 110 columns wide.
class Terminal {
 public:
  explicit Terminal(const std::filesystem::path& models, const std::filesystem::path& state) {
    const winsize size{.ws_row = 40, .ws_col = 110, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = forkpty(&screen_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      ::setenv("TERM", "xterm", 1);
      ::setenv("XDG_STATE_HOME", state.c_str(), 1);
      ::setenv("LC_ALL", "C.UTF-8", 1);
      ::execl(TACIT_BINARY, TACIT_BINARY, "repl", "--models", models.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
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
  int screen_ = -1;
  pid_t pid_ = 0;
  std::string seen_;
  size_t shown_ = 0;  // end of the text last waited for
};

constexpr const char* kQuestion = "5 12 | 5 7 | 12 3 | 7 9 | 9 22 | 1 31 | [Q] 22 31 [R] 5";

}  // namespace

TEST_CASE("a script draws a fresh problem and answers it in words and in thoughts") {
  const Finished done = script("# a comment\n\n/new 7\n");
  CHECK(done.code == 0);
  CHECK(done.err == "");
  for (const char* part : {"reach-7/0", "Which can be reached from", "words · cot · ",
                           "thoughts · frontier · 6 thoughts", "answer ", "thought", "on •"}) {
    CAPTURE(part);
    CHECK(holds(done.out, part));
  }
  CHECK(!holds(done.out, "tacit>"));
  CHECK(!holds(done.out, "\x1b"));
}

TEST_CASE("a question of one's own is drawn, also without the last '|'") {
  const Finished typed = script(std::string(kQuestion) + "\n/show\n");
  CHECK(typed.code == 0);
  CHECK(holds(typed.out, "Which can be reached from 5: 22 or 31?   (8 nodes, 6 edges)"));
  CHECK(holds(typed.out, "3 steps   22 ✓"));
  const Finished loose = script("5 12 | 5 7 | 12 3 | 7 9 | 9 22 |  1 31 [Q] 22 31 [R] 5\n/show\n");
  CHECK(holds(loose.out, kQuestion));
}

TEST_CASE("settings change what the next answers are made of") {
  const Finished done =
      script("/seed 3\n/new\n/latents 2\n/again\n/latents\n/method thoughts pause\n/again\n/model words " +
             (models() / "cot-frontier").string() + "\n/method\n/quit\n/nonsense\n");
  CHECK(done.code == 0);
  CHECK(done.err == "");
  CHECK(holds(done.out, "reach-3/0"));
  CHECK(holds(done.out, "thoughts: up to 2"));
  CHECK(holds(done.out, "thoughts · frontier · 2 thoughts"));
  CHECK(holds(done.out, "thoughts: up to 6"));
  CHECK(holds(done.out, "thoughts · pause · 6 thoughts"));
  CHECK(holds(done.out, "[P] [P] [P] [P] [P] [P]"));
  CHECK(holds(done.out, "words: cot-frontier   thoughts: pause"));
}

TEST_CASE("the same seed draws the same problem, the next /new another one") {
  const std::string first = script("/new 7\n/show\n").out, again = script("/show\n/new\n/show\n", {"--seed", "7"}).out;
  const std::string question = first.substr(first.rfind('\n', first.size() - 2) + 1);
  CHECK(holds(question, "[Q]"));
  CHECK(holds(again, question));
  const std::string both = script("/new 7\n/new\n/show\n").out;
  CHECK(holds(both, "reach-7/1"));
  CHECK(!holds(both, question));
}

TEST_CASE("what cannot be done is one line on stderr; the script goes on and ends with 1") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"/nwe", "a command that /help lists but got '/nwe', did you mean '/new'?"},
      {"/new seven", "a seed of at least 0 but got 'seven'"},
      {"/new 1 2", "'/new [SEED]' but got '/new 1 2'"},
      {"/show", "a question first"},
      {"/again", "a question first"},
      {"/latents -3", "a number of thoughts, at least 0, but got -3"},
      {"/latents 600", "at most 512 positions (the model's) but 600 thoughts"},
      {"/latents x", "a number of thoughts, at least 0, but got 'x'"},
      {"/method words", "'/method words|thoughts NAME'"},
      {"/method wrods cot", "but got 'wrods', did you mean 'words'?"},
      {"/method words coconnut", "but got 'coconnut', did you mean 'coconut'?"},
      {"/model thoughts /nowhere/at/all", "/nowhere/at/all"},
      {"/seed -1", "a seed of at least 0 but got '-1'"},
      {"why", "one '[Q]' but got 0"},
      {"5 12 | [Q] 12 99 [R] 5", "a node of the vocabulary, 0 to 31, but got '99'"},
      {"5 12 | 5 12 7 | [Q] 12 7 [R] 5", "two nodes in edge 2 but got '5 12 7'"},
  };
  std::string input;
  for (const auto& [line, expected] : table) input += line + "\n";
  const Finished done = script(input + "/seed\n");
  CHECK(done.code == 1);
  CHECK(lines_in(done.err) == std::ssize(table));
  CHECK(holds(done.out, "seed 0, next problem 0"));
  size_t begin = 0;
  for (const auto& [line, expected] : table) {
    const size_t end = std::min(done.err.find('\n', begin), done.err.size());
    const std::string error = done.err.substr(begin, end - begin);
    CAPTURE(line);
    CAPTURE(error);
    CHECK(holds(error, expected));
    begin = std::min(end + 1, done.err.size());
  }
}

TEST_CASE("a failed /latents leaves the model as it was") {
  const Finished done = script("/latents -3\n/latents 600\n" + std::string(kQuestion) + "\n");
  CHECK(holds(done.out, "thoughts · frontier · 6 thoughts"));
}

TEST_CASE("a question longer than the model's positions is refused with both numbers") {
  const Finished done = script("/latents 490\n" + std::string(kQuestion) + "\n");
  CHECK(done.code == 1);
  CHECK(holds(done.err, "at most 512 positions"));
}

TEST_CASE("models that are not there end the program with one line") {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"repl", "--models", "/nowhere/at/all"},
                                             {"repl", "--models", "/"},
                                             {"repl", "--words", "/nowhere", "--thoughts", "/nowhere"}}) {
    const Finished done = run_tacit(args, {.input = "/help\n"});
    CHECK(done.code == 1);
    CHECK(lines_in(done.err) == 1);
    CHECK(done.out == "");
  }
  CHECK(run_tacit({"repl", "--wrods", "x"}).code == 2);
}

TEST_CASE("/help lists every command") {
  const Finished done = script("/help\n");
  for (const char* name : {"/new", "/show", "/again", "/latents", "/method", "/model", "/seed", "/help", "/quit"}) {
    CHECK(holds(done.out, name));
  }
}

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
  terminal.type("/seed\r");
  CHECK(terminal.shows("next problem"));
  CHECK(terminal.shows("tacit> "));
  terminal.type("\x04");
  CHECK(terminal.leave() == 0);
}
