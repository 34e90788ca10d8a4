#include "lib/tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "lib/core/error.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

struct Range {
  char32_t first, last;
};

// The reference normalises with the tables of Unicode 9 (crate unicode-normalization-alignments): to it these code
// points, which later versions gave a combining class or a composition, are plain characters that nothing moves or
// joins.
constexpr Range kPlain[] = {
    {0x7FD, 0x7FD},     {0x897, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},
    {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1AEB},   {0x1DF6, 0x1DFA},
    {0xA82C, 0xA82C},   {0x105C0, 0x105F3}, {0x10D24, 0x10D27}, {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC},
    {0x10EFA, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B},
    {0x11380, 0x113E2}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11935, 0x11935},
    {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0}, {0x11A34, 0x11A34},
    {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45}, {0x11D97, 0x11D97},
    {0x11F41, 0x11F42}, {0x16100, 0x1613F}, {0x16D40, 0x16D7F}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F},
    {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF},
};

bool is_plain(char32_t value) {
  const auto after = std::upper_bound(std::begin(kPlain), std::end(kPlain), value,
                                      [](char32_t wanted, const Range& range) { return wanted < range.first; });
  return after != std::begin(kPlain) && value <= std::prev(after)->last;
}

void append_composed(std::string& result, std::string_view text) {
  if (text.empty()) return;
  utf8proc_uint8_t* composed = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (size < 0) fail("tokenize", "expected text that can be normalised to NFC but got ", utf8proc_errmsg(size));
  result.append(reinterpret_cast<const char*>(composed), static_cast<size_t>(size));
}

// `text` is a character and the non-ASCII ones behind it.
void append_run(std::string& result, std::string_view text) {
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const CodePoint next = code_point_at(text, i);
    if (is_plain(next.value)) {
      append_composed(result, text.substr(start, i - start));
      result.append(text.substr(i, next.bytes));
      start = i + next.bytes;
    }
    i += next.bytes;
  }
  append_composed(result, text.substr(start));
}

// Nothing below U+0300 changes under NFC unless a character from U+0300 on follows, and no ASCII character joins what
// stands before it: only runs of non-ASCII text with a character from U+0300 on need work.
void append_valid(std::string& result, std::string_view text) {
  const auto ascii = [&](size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  size_t copied = 0;
  for (size_t i = 0; i < text.size();) {
    if (ascii(i)) {
      ++i;
      continue;
    }
    const size_t begin = i > copied ? i - 1 : i;
    bool simple = true;
    for (; i < text.size() && !ascii(i); ++i) simple = simple && static_cast<unsigned char>(text[i]) < 0xCC;
    if (simple) continue;
    result.append(text.substr(copied, begin - copied));
    append_run(result, text.substr(begin, i - begin));
    copied = i;
  }
  result.append(text.substr(copied));
}

}  // namespace

std::string nfc(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for_each_stretch(text, [&](std::string_view part, bool valid) {
    if (valid)
      append_valid(result, part);
    else
      result.append(part);
  });
  return result;
}

}  // namespace tacit
