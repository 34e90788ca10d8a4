#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/apps/model_folder.h"
#include "tests/lib/core_support.h"
#include "tests/support/run_binary.h"

namespace tacit::test {

inline const std::filesystem::path& models() {
  static const ScratchFolder folder;
  static const bool written = (write_tiny_models(folder.path()), true);
  (void)written;
  return folder.path();
}

inline Finished script(const std::string& input, std::vector<std::string> more = {}) {
  std::vector<std::string> args = {"repl", "--models", models().string()};
  args.insert(args.end(), more.begin(), more.end());
  return run_tacit(args, {.input = input});
}

inline int64_t lines_in(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

inline constexpr const char* kQuestion = "5 12 | 5 7 | 12 3 | 7 9 | 9 22 | 1 31 | [Q] 22 31 [R] 5";

}  // namespace tacit::test
