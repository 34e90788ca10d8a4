#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "lib/core/error.h"

namespace tacit::test {

struct Finished {
  int code = -1;  // exit code, or 128 + signal as a shell would say
  std::string out, err;
};

struct RunBinaryOptions {
  std::filesystem::path folder = ".";  // working directory
  std::string input;                   // on stdin
};

// A started program; killed when this goes away before wait(). A file takes each stream, so no pipe can fill up.
class RunningProgram {
 public:
  explicit RunningProgram(const std::vector<std::string>& command, const RunBinaryOptions& options = {}) {
    std::string name = (std::filesystem::temp_directory_path() / "tacit_run_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      fail("run_program", "expected a writable folder for temporary files but got none");
    scratch_ = name;
    const std::string in = scratch_ / "in", out = scratch_ / "out", err = scratch_ / "err";
    std::ofstream(in, std::ios::binary) << options.input;

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
      std::filesystem::remove_all(scratch_);
      fail("run_program", "expected to start ", command[0], " but got error ", error);
    }
  }
  ~RunningProgram() {
    if (!waited_for_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
  }
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  // Until wait(); a signal to a program that has ended does nothing.
  void send(int signal) { ::kill(pid_, signal); }
  bool ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
  }

  Finished wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    waited_for_ = true;
    auto content = [](const std::string& path) {
      std::ifstream file(path, std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), content(scratch_ / "out"),
            content(scratch_ / "err")};
  }

 private:
  std::filesystem::path scratch_;
  pid_t pid_ = 0;
  bool waited_for_ = false;
};

// Runs a program and waits for it.
inline Finished run_program(const std::vector<std::string>& command, const RunBinaryOptions& options = {}) {
  return RunningProgram(command, options).wait();
}

#ifdef TACIT_BINARY
// `tacit ARGS..`
inline Finished run_tacit(std::vector<std::string> args, const RunBinaryOptions& options = {}) {
  args.insert(args.begin(), TACIT_BINARY);
  return run_program(args, options);
}
#endif

}  // namespace tacit::test
