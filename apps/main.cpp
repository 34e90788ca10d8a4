#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/help_text.h"
#include "apps/interrupt.h"
#include "apps/options.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/core/version.h"

namespace tacit {
namespace {

std::vector<Command> commands() {
  return {run_command(),      repl_command(),      demo_command(),    eval_command(),
          compare_command(),  table_command(),     train_command(),   data_command(),
          convert_command(),  inspect_command(),   bench_command(),   score_command(),
          tokenize_command(), verbalise_command(), rescore_command(), probe_command()};
}

void print_help(std::ostream& out) {
  out << "Latent chain-of-thought: reasoning without words.\n\nUsage: tacit COMMAND [options]\n\nCommands:\n";
  for (const Command& command : commands()) {
    const size_t gap = std::max<size_t>(12, command.name.size() + 2) - command.name.size();
    out << help_text(command.summary, "  " + command.name + std::string(gap, ' ')) << "\n";
  }
  out << "\n"
      << help_text(
             "'tacit COMMAND --help' lists a command's options and shows an example; 'tacit --version' the versions.")
      << "\n"
      << help_text("Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.") << "\n";
}

// Option parsers shared by subcommands do not know which one they serve: its name is put before their complaint here.
int run_named(const Command& command, const std::vector<std::string>& args) {
  try {
    return command.run(args);
  } catch (const UsageError& error) {
    const std::string text = error.what();
    throw text.starts_with("[") ? UsageError(text) : UsageError("[" + command.name + "] " + text);
  }
}

int dispatch(const std::vector<std::string>& args) {
  if (args.empty()) {
    print_help(std::cerr);
    return kWrongUsage;
  }
  const std::string& name = args[0];
  if (name == "--help" || name == "-h" || name == "help") {
    print_help(std::cout);
    return kDone;
  }
  if (name == "--version") {
    std::cout << "tacit " << version << " (LibTorch " << TORCH_VERSION << ")\n";
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.name == name) return run_named(command, {args.begin() + 1, args.end()});
    names.push_back(command.name);
  }
  if (name.starts_with("-")) {
    names = {"--help", "--version"};
    throw UsageError("unknown option '" + name + "'" + did_you_mean(name, names));
  }
  throw UsageError("unknown command '" + name + "'" + did_you_mean(name, names) + " ('tacit --help' lists all)");
}

// Results must not be lost in silence, on a full disk for instance.
int flushed(int code) {
  if (std::cout.flush() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  std::cerr << "tacit: cannot write to stdout\n";
  return code == kDone ? kFailed : code;
}

int guarded(const std::vector<std::string>& args) {
  try {
    return flushed(dispatch(args));
  } catch (const UsageError& error) {
    std::cerr << "tacit: " << error.what() << "\n";
    return kWrongUsage;
  } catch (const Interrupted& error) {
    std::cerr << "tacit: " << error.what() << "\n";
    return kInterruptedBySignal;
  } catch (const Error& error) {
    std::cerr << "tacit: " << error.what() << "\n";
    return kFailed;
  } catch (const std::bad_alloc&) {
    std::cerr << "tacit: out of memory\n";
    return kFailed;
  } catch (const std::exception& error) {
    // LibTorch puts a stack trace after the first line.
    const std::string text = error.what();
    std::cerr << "tacit: " << text.substr(0, text.find('\n')) << "\n";
    return kFailed;
  }
}

}  // namespace
}  // namespace tacit

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  tacit::install_interrupt_handler();
  return tacit::guarded({argv + 1, argv + argc});
}
