#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tacit {

// Exit codes of the command.
enum ExitCode : int { kDone = 0, kFailed = 1, kWrongUsage = 2, kInterruptedBySignal = 130 };

// A subcommand. `run` gets the arguments after the subcommand's name and returns an exit code; errors are thrown: Error
// ends with 1, UsageError (apps/options.h) with 2, Interrupted with 130, and main.cpp prints them.
struct Command {
  std::string name;
  std::string summary;  // one line of `tacit --help`
  std::function<int(const std::vector<std::string>& args)> run;
};

}  // namespace tacit
