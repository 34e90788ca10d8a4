#include "apps/live_line.h"

#include <iostream>

#include "apps/render.h"

namespace tacit {
namespace {

// The end of a text, after "…" where something was cut.
std::string clip_begin(const std::string& text, int64_t width) {
  if (display_width(text) <= width) return text;
  const std::vector<std::string> words = split_words(text);
  std::string out;
  for (size_t i = words.size(); i-- > 0;) {
    const std::string longer = words[i] + (out.empty() ? "" : " ") + out;
    if (display_width(longer) + 2 > width) break;
    out = longer;
  }
  return "… " + out;
}

}  // namespace

bool LiveLine::due() const {
  return shown_ && (!written_ || std::chrono::steady_clock::now() - last_ > std::chrono::milliseconds(30));
}

void LiveLine::write(const std::string& head, const std::string& tail) {
  if (!shown_) return;
  const int64_t room = width_ - 1 - display_width(head);  // the last column makes some terminals wrap
  std::cout << "\r\x1b[2K" << clip(head + (room > 8 ? clip_begin(tail, room) : ""), width_ - 1) << std::flush;
  written_ = true;
  last_ = std::chrono::steady_clock::now();
}

void LiveLine::clear() {
  if (!written_) return;
  std::cout << "\r\x1b[2K" << std::flush;
  written_ = false;
}

}  // namespace tacit
