#pragma once

#include <chrono>
#include <utility>

#include "latent/session.h"

namespace tacit {

// Milliseconds since the last call. On a GPU the work is queued: reading the state back waits for it.
class Stopwatch {
 public:
  double lap(const Session& session) {
    if (!session.model().device().is_cpu()) session.hidden_BD(HiddenAt::before_norm).to(at::kCPU);
    return lap();
  }
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace tacit
