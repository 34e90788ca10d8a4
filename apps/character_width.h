#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tacit {

// Columns that a terminal gives a character: 0 for what combines with the one before it and for control characters, 2
// for what East Asian scripts and emoji draw wide, else 1. Does not depend on the locale.
int64_t character_width(char32_t character);

struct Utf8Character {
  char32_t code;
  size_t bytes;  // >= 1
};
// The character at byte `at` < text.size(); a byte that begins none is U+FFFD of one byte.
Utf8Character next_character(std::string_view text, size_t at);

}  // namespace tacit
