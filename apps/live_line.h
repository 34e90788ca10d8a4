#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tacit {

// One line of a terminal that is written again and again while something is made, and leaves nothing behind.
class LiveLine {
 public:
  // Without `shown` nothing is ever written. `width`: columns of the terminal.
  LiveLine(bool shown, int64_t width) : shown_(shown), width_(width) {}
  ~LiveLine() { clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  // `head` and as much of the end of `tail` as fits.
  void write(const std::string& head, const std::string& tail);
  // Whether the last writing is long enough ago, 30 ms, for another to be worth what it costs.
  bool due() const;
  void clear();

 private:
  bool shown_, written_ = false;
  int64_t width_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace tacit
