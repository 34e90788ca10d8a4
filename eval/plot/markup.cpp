#include "eval/plot/markup.h"

#include <cmath>
#include <cstdio>

#include "eval/sample.h"

namespace tacit {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

// Length in bytes of the code point that begins here; the text is valid UTF-8.
size_t length_at(const std::string& text, size_t i) {
  const auto byte = static_cast<unsigned char>(text[i]);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

bool is_forbidden(const std::string& text, size_t i, size_t length) {
  const auto at = [&](size_t k) { return static_cast<unsigned char>(text[i + k]); };
  if (length == 1) return (at(0) < 0x20 && text[i] != '\n' && text[i] != '\t') || at(0) == 0x7F;
  if (length == 2) return at(0) == 0xC2 && at(1) < 0xA0;                    // C1 controls
  if (length == 3) return at(0) == 0xEF && at(1) == 0xBF && at(2) >= 0xBE;  // U+FFFE, U+FFFF
  return at(2) == 0xBF && at(3) >= 0xBE && (at(1) & 0x0F) == 0x0F;          // U+1FFFE, U+1FFFF and so on
}

}  // namespace

std::string escape_markup(const std::string& text) {
  const std::string valid = valid_utf8(text);
  std::string out;
  out.reserve(valid.size());
  for (size_t i = 0, length = 0; i < valid.size(); i += length) {
    length = length_at(valid, i);
    if (is_forbidden(valid, i, length)) {
      out += kReplacement;
      continue;
    }
    switch (valid[i]) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out.append(valid, i, length);
    }
  }
  return out;
}

std::string shortened(const std::string& text, int64_t most) {
  const std::string valid = valid_utf8(text);
  size_t cut = 0, i = 0;
  int64_t count = 0;
  for (; i < valid.size(); i += length_at(valid, i)) {
    if (count == most - 1) cut = i;
    ++count;
  }
  return count <= most ? valid : valid.substr(0, cut) + "…";
}

std::string fixed_text(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent_text(double share) { return fixed_text(100 * share, 1); }

std::string significant_text(double value) { return fixed_text(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0); }

std::string p_value_text(double p) {
  if (p < 1e-4) return "<.0001";
  const std::string text = fixed_text(p, p < .01 ? 4 : 3);
  return text[0] == '0' ? text.substr(1) : text;
}

std::string coordinate(double value) {
  std::string text = fixed_text(value, 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

double text_width(const std::string& text, double size) {
  double em = 0;
  for (const char c : text) {
    if ((c & 0xC0) == 0x80) continue;  // counted with its first byte
    const std::string narrow = "iljtfr.,:;|!'()[] ", wide = "mwMW@%";
    em += narrow.find(c) != narrow.npos ? .33 : wide.find(c) != wide.npos ? .87 : c >= 'A' && c <= 'Z' ? .67 : .56;
  }
  return em * size;
}

}  // namespace tacit
