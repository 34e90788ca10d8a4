#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tacit {

// The one exception type of the library. Its text reads
// `[load_checkpoint] expected 'lm_head.weight' of shape [50257, 768] but got [50257, 1024] in model.safetensors`:
// the operation in brackets, then what was expected, what came, and where.
class Error : public std::runtime_error {
 public:
  Error(std::string_view operation, std::string_view message) : std::runtime_error(text(operation, message)) {}

 private:
  static std::string text(std::string_view operation, std::string_view message) {
    std::string out;
    out.reserve(operation.size() + message.size() + 3);
    out.append(1, '[').append(operation).append("] ").append(message);
    return out;
  }
};

// Thrown when a caller's interrupt check asks long work to stop; what was finished is on disk.
class Interrupted : public Error {
 public:
  using Error::Error;
};

// Throws Error("[operation] " + all parts streamed one after the other).
template <class... Parts>
[[noreturn]] void fail(std::string_view operation, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(operation, text.str());
}

// fail() unless `condition` holds.
template <class... Parts>
void require(bool condition, std::string_view operation, const Parts&... parts) {
  if (!condition) fail(operation, parts...);
}

// "[2, 3, 4]" for any range of numbers.
template <class Range>
std::string shape_text(const Range& shape) {
  std::ostringstream text;
  text << '[';
  const char* separator = "";
  for (auto size : shape) {
    text << separator << size;
    separator = ", ";
  }
  text << ']';
  return text.str();
}

}  // namespace tacit
