#include "apps/render.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "apps/character_width.h"

namespace tacit {
namespace {

// Bytes of the ANSI code that starts at `at`, 0 when none does.
size_t escape_bytes(std::string_view text, size_t at) {
  if (text[at] != '\x1b') return 0;
  const size_t end = text.find('m', at);
  return end == std::string_view::npos ? text.size() - at : end - at + 1;
}

Lines wrapped(const std::vector<std::string>& parts, std::string_view between, int64_t width) {
  Lines lines;
  for (const std::string& part : parts) {
    if (!lines.empty() && display_width(lines.back()) + display_width(between) + display_width(part) <= width) {
      lines.back().append(between).append(part);
    } else {
      lines.push_back(clip(part, width));
    }
  }
  return lines;
}

std::string spaces(int64_t count) { return std::string(std::max<int64_t>(count, 0), ' '); }

}  // namespace

std::string paint(std::string_view text, Tone tone, bool colour) {
  constexpr std::array<std::string_view, 6> codes = {"", "1", "2", "32", "31", "33"};
  const std::string_view code = codes[static_cast<size_t>(tone)];
  if (!colour || code.empty() || text.empty()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

int64_t display_width(std::string_view text) {
  int64_t width = 0;
  for (size_t i = 0; i < text.size();) {
    if (const size_t skip = escape_bytes(text, i); skip > 0) {
      i += skip;
      continue;
    }
    const Utf8Character character = next_character(text, i);
    width += character_width(character.code);
    i += character.bytes;
  }
  return width;
}

std::string clip(std::string_view text, int64_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width <= 0) return "";
  std::string out;
  int64_t used = 0;
  bool painted = false;
  for (size_t i = 0; i < text.size();) {
    if (const size_t code = escape_bytes(text, i); code > 0) {
      out += text.substr(i, code);
      painted = text.substr(i, code) != "\x1b[0m";
      i += code;
      continue;
    }
    const Utf8Character character = next_character(text, i);
    used += character_width(character.code);
    if (used >= width) break;
    out += text.substr(i, character.bytes);
    i += character.bytes;
  }
  return out + "…" + (painted ? "\x1b[0m" : "");
}

std::string pad(std::string_view text, int64_t width) {
  std::string out = clip(text, width);
  return out + spaces(width - display_width(out));
}

Lines wrap_words(const std::vector<std::string>& words, int64_t width) { return wrapped(words, " ", width); }

Lines wrap_parts(const std::vector<std::string>& parts, int64_t width) { return wrapped(parts, " · ", width); }

Lines fold_text(std::string_view text, int64_t width) {
  Lines lines = {""};
  int64_t used = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Character character = next_character(text, i);
    const int64_t columns = character_width(character.code);
    if (used > 0 && used + columns > width) {
      lines.emplace_back();
      used = 0;
    }
    lines.back() += text.substr(i, character.bytes);
    used += columns;
    i += character.bytes;
  }
  return lines;
}

Lines wrap_text(std::string_view text, int64_t width) { return wrap_words(split_words(text), width); }

Lines wrap_whole(std::string_view text, int64_t width) {
  std::vector<std::string> words;
  for (const std::string& word : split_words(text)) {
    for (std::string& piece : fold_text(word, width)) words.push_back(std::move(piece));
  }
  return wrap_words(words, width);
}

std::string bar(double share, int64_t columns) {
  constexpr std::array<std::string_view, 8> part = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double bounded = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  const int64_t eighths = std::llround(bounded * static_cast<double>(columns) * 8);
  std::string out;
  for (int64_t i = 0; i < eighths / 8; ++i) out += "█";
  out += part[eighths % 8];
  return out;
}

Lines side_by_side(const Lines& left, const Lines& right, int64_t left_width, const RenderOptions& options) {
  constexpr int64_t kGap = 3, kLeastRight = 24;
  const int64_t right_width = options.width - left_width - kGap;
  Lines out;
  if (right_width < kLeastRight) {
    for (const std::string& line : left) out.push_back(clip(line, options.width));
    out.emplace_back();
    for (const std::string& line : right) out.push_back(clip(line, options.width));
    return out;
  }
  for (size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    std::string line = pad(i < left.size() ? left[i] : "", left_width) + paint(" │", Tone::dim, options.colour);
    if (i < right.size() && !right[i].empty()) line += " " + clip(right[i], right_width);
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace tacit
