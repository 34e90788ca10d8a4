#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
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

// Runs a program and waits for it. A file takes each stream, so no pipe can fill up.
inline Finished run_program(const std::vector<std::string>& command, const RunBinaryOptions& options = {}) {
  std::string name = (std::filesystem::temp_directory_path() / "tacit_run_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    fail("run_program", "expected a writable folder for temporary files but got none");
  const std::filesystem::path scratch = name;
  const std::string in = scratch / "in", out = scratch / "out", err = scratch / "err";
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
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);

  Finished result;
  if (error == 0) {
    int status = 0;
    waitpid(pid, &status, 0);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    auto content = [](const std::string& path) {
      std::ifstream file(path, std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    result.out = content(out);
    result.err = content(err);
  }
  std::filesystem::remove_all(scratch);
  if (error != 0) fail("run_program", "expected to start ", command[0], " but got error ", error);
  return result;
}

#ifdef TACIT_BINARY
// `tacit ARGS..`
inline Finished run_tacit(std::vector<std::string> args, const RunBinaryOptions& options = {}) {
  args.insert(args.begin(), TACIT_BINARY);
  return run_program(args, options);
}
#endif

}  // namespace tacit::test
