#include "apps/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace tacit {

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

int64_t output_width() {
  constexpr int64_t kLeast = 20, kMost = 1000, kUnknown = 100;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return std::clamp<int64_t>(size.ws_col, kLeast, kMost);
  const char* columns = std::getenv("COLUMNS");
  const int64_t wanted = columns ? std::atoll(columns) : 0;
  return wanted > 0 ? std::clamp(wanted, kLeast, kMost) : kUnknown;
}

bool output_takes_escapes() {
  const char* term = std::getenv("TERM");
  return is_terminal(STDOUT_FILENO) && term && std::string_view(term) != "dumb";
}

bool output_has_colour() {
  const char* none = std::getenv("NO_COLOR");
  return output_takes_escapes() && !(none && *none);
}

}  // namespace tacit
