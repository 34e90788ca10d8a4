#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tacit {

// What long work tells its caller. The library never prints.
struct Progress {
  std::string what;    // "train", "eval prosqa frontier"
  int64_t done = 0;    // units finished, of this and earlier sessions
  int64_t total = 0;   // 0 when unknown
  std::string detail;  // "loss 0.412, 3.1k tokens/s"
};

// Called from the working thread. Return false to ask the work to stop at the next safe point: it saves what is
// finished and throws Interrupted.
using ProgressCallback = std::function<bool(const Progress&)>;

}  // namespace tacit
