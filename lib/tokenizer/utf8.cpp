#include "lib/tokenizer/utf8.h"

#include <algorithm>
#include <cstring>

namespace tacit {

CodePoint code_point_at(std::string_view text, size_t position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  if (position >= text.size()) return {};
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const int bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() - position < static_cast<size_t>(bytes)) return {};
  char32_t value = first & (0x7F >> bytes);
  for (int i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[bytes] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, bytes};
}

CodePoint code_point_before(std::string_view text, size_t position) {
  for (size_t bytes = 1; bytes <= std::min<size_t>(4, position); ++bytes) {
    const CodePoint found = code_point_at(text.substr(0, position), position - bytes);
    if (found.bytes == static_cast<int>(bytes)) return found;
  }
  return {};
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    if (uint64_t eight; text.size() - position >= 8) {
      std::memcpy(&eight, text.data() + position, 8);
      if ((eight & 0x8080808080808080) == 0) {
        position += 8;
        continue;
      }
    }
    const CodePoint next = code_point_at(text, position);
    if (next.bytes == 0) break;
    position += next.bytes;
  }
  return position;
}

size_t invalid_utf8_prefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size() && code_point_at(text, position).bytes == 0) ++position;
  return position;
}

void append_utf8(std::string& text, char32_t value) {
  if (value < 0x80) {
    text += static_cast<char>(value);
    return;
  }
  const int bytes = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
  text += static_cast<char>((0xF00 >> bytes & 0xFF) | value >> 6 * (bytes - 1));
  for (int i = bytes - 2; i >= 0; --i) text += static_cast<char>(0x80 | (value >> 6 * i & 0x3F));
}

bool is_white_space(char32_t value) {
  return (value >= 0x9 && value <= 0xD) || value == 0x20 || value == 0x85 || value == 0xA0 || value == 0x1680 ||
         (value >= 0x2000 && value <= 0x200A) || value == 0x2028 || value == 0x2029 || value == 0x202F ||
         value == 0x205F || value == 0x3000;
}

}  // namespace tacit
