#include "apps/help_text.h"

#include <unistd.h>

#include <algorithm>

#include "apps/render.h"
#include "apps/terminal.h"

namespace tacit {

int64_t help_columns() { return is_terminal(STDOUT_FILENO) ? std::clamp<int64_t>(output_width(), 60, 100) : 100; }

std::string help_text(const std::string& text, const std::string& head) {
  if (!is_terminal(STDOUT_FILENO)) return head + text;
  const int64_t indent = display_width(head);
  const Lines lines = wrap_text(text, help_columns() - indent);
  return head + join_words(lines, "\n" + std::string(static_cast<size_t>(indent), ' '));
}

}  // namespace tacit
