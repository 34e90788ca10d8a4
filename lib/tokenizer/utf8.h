#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tacit {

struct CodePoint {
  char32_t value = 0;
  int bytes = 0;  // 0: no valid UTF-8 sequence starts here
};

// The code point that starts at text[position]; surrogates, overlong forms and values above U+10FFFF are not valid.
CodePoint code_point_at(std::string_view text, size_t position);
CodePoint code_point_before(std::string_view text, size_t position);  // the one that ends at `position`

size_t valid_utf8_prefix(std::string_view text);    // bytes before the first invalid one
size_t invalid_utf8_prefix(std::string_view text);  // bytes before the first valid sequence

void append_utf8(std::string& text, char32_t value);

bool is_white_space(char32_t value);  // Unicode property White_Space

// Calls `stretch(part, valid)` for the maximal stretches of valid and of invalid UTF-8, in order.
template <class Stretch>
void for_each_stretch(std::string_view text, const Stretch& stretch) {
  while (!text.empty()) {
    if (const size_t size = valid_utf8_prefix(text); size > 0) {
      stretch(text.substr(0, size), true);
      text.remove_prefix(size);
    }
    if (const size_t size = invalid_utf8_prefix(text); size > 0) {
      stretch(text.substr(0, size), false);
      text.remove_prefix(size);
    }
  }
}

}  // namespace tacit
