#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/repl.h"

namespace tacit {

// What `/set` can say.
struct ReplSetting {
  std::string name, meaning;
  std::function<std::string(const Repl&)> get;
  std::function<void(Repl&, const std::string& value)> set;
  std::vector<std::string> choices = {};  // for completion
};

// The fixed ones, then the options of both sides' methods, "thoughts.NAME" and "words.NAME".
std::vector<ReplSetting> repl_settings(const Repl& repl);

// The number of thoughts of the side of thoughts; -1 = the checkpoint's own.
void set_latents(Repl& repl, int64_t latents);

}  // namespace tacit
