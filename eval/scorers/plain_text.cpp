#include "eval/scorers/plain_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace tacit {
namespace {

bool is_space(utf8proc_int32_t c) {
  // str.isspace: category Zs, or a bidirectional class of WS, B or S.
  if ((c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85) return true;
  return c >= 0x80 && (utf8proc_category(c) == UTF8PROC_CATEGORY_ZS || c == 0x2028 || c == 0x2029);
}

// The character at `at` and its size; a byte that is no UTF-8 stands for itself.
struct Character {
  utf8proc_int32_t code;
  size_t size;
  bool valid;
};
Character character_at(std::string_view text, size_t at) {
  utf8proc_int32_t code = 0;
  const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                     static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (size <= 0) return {static_cast<unsigned char>(text[at]), 1, false};
  return {code, static_cast<size_t>(size), true};
}

}  // namespace

std::string stripped(std::string_view text) {
  size_t begin = text.size(), end = 0;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (!c.valid || !is_space(c.code)) {
      begin = std::min(begin, at);
      end = at + c.size;
    }
    at += c.size;
  }
  return begin < end ? std::string(text.substr(begin, end - begin)) : "";
}

static std::string changed(std::string_view text, utf8proc_int32_t (*change)(utf8proc_int32_t)) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (!c.valid) {
      out += text[at];
    } else {
      utf8proc_uint8_t bytes[4];
      const auto size = utf8proc_encode_char(change(c.code), bytes);
      out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
    at += c.size;
  }
  return out;
}

std::string lower_case(std::string_view text) { return changed(text, utf8proc_tolower); }
std::string upper_case(std::string_view text) { return changed(text, utf8proc_toupper); }

std::string without_punctuation(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c > 0 && std::ispunct(static_cast<unsigned char>(c)); });
  return out;
}

std::string without_unicode_punctuation(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const auto category = c.valid ? utf8proc_category(c.code) : UTF8PROC_CATEGORY_CN;
    if (category < UTF8PROC_CATEGORY_PC || category > UTF8PROC_CATEGORY_PO) out += text.substr(at, c.size);
    at += c.size;
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool letter = static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c));
    if (letter && !inside) words.emplace_back();
    if (letter) words.back() += c;
    inside = letter;
  }
  return words;
}

std::vector<size_t> announcements(std::string_view text) {
  std::string lower(text);  // of ASCII only: places stay what they are
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::vector<size_t> out;
  for (const std::string_view mark : {"####", "###", "answer is", "answer:", "<answer>", "\\boxed{"}) {
    for (size_t at = lower.find(mark); at != std::string::npos; at = lower.find(mark, at + 1)) {
      size_t behind = at + mark.size();
      while (behind < text.size() && std::string_view(": *").find(text[behind]) != std::string_view::npos) ++behind;
      out.push_back(behind);
    }
  }
  std::ranges::sort(out);
  return out;
}

std::string_view announced(std::string_view text) {
  const std::vector<size_t> places = announcements(text);
  return places.empty() ? text : text.substr(places.back());
}

}  // namespace tacit
