#include "eval/scorers/boxed.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "eval/scorers/plain_text.h"

namespace tacit {
namespace {

std::string with_replaced(std::string text, std::string_view what, std::string_view with) {
  std::string out;
  size_t from = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, from)) {
    out.append(text, from, at - from).append(with);
    from = at + what.size();
  }
  return out.append(text, from);
}

std::vector<std::string> split(const std::string& text, std::string_view at) {
  std::vector<std::string> out;
  size_t from = 0;
  for (size_t found = text.find(at); found != std::string::npos; found = text.find(at, from)) {
    out.push_back(text.substr(from, found - from));
    from = found + at.size();
  }
  out.push_back(text.substr(from));
  return out;
}

// Each of the following gives nothing where the original raises an exception.
using Text = std::optional<std::string>;

// \sqrt3 -> \sqrt{3}
Text fix_sqrt(const std::string& text) {
  const std::vector<std::string> parts = split(text, "\\sqrt");
  std::string out = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].empty()) return std::nullopt;
    out += parts[i][0] == '{' ? "\\sqrt" + parts[i] : "\\sqrt{" + parts[i].substr(0, 1) + "}" + parts[i].substr(1);
  }
  return out;
}

// \frac12, \frac1{72} -> \frac{1}{2}, \frac{1}{72}
Text fix_fracs(const std::string& text) {
  const std::vector<std::string> parts = split(text, "\\frac");
  std::string out = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    out += "\\frac";
    if (part.empty()) return std::nullopt;
    if (part[0] == '{') {
      out += part;
      continue;
    }
    if (part.size() < 2) return text;
    out += "{" + part.substr(0, 1) + "}";
    out += part[1] == '{' ? part.substr(1) : "{" + part.substr(1, 1) + "}" + part.substr(2);
  }
  return out;
}

// Python's int() of a text without spaces: its canonical digits.
Text python_int(const std::string& text) {
  const bool sign = text.starts_with('-') || text.starts_with('+');
  std::string digits;
  for (size_t i = sign; i < text.size(); ++i) {
    if (text[i] == '_' && !digits.empty() && i + 1 < text.size() && text[i - 1] != '_') continue;
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) return std::nullopt;
    digits += text[i];
  }
  if (digits.empty()) return std::nullopt;
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return (text[0] == '-' && digits != "0" ? "-" : "") + digits;
}

// 1/2 -> \frac{1}{2}
Text fix_a_slash_b(const std::string& text) {
  const std::vector<std::string> parts = split(text, "/");
  if (parts.size() != 2) return text;
  const Text a = python_int(parts[0]), b = python_int(parts[1]);
  if (!a || !b) return std::nullopt;
  if (text != *a + "/" + *b) return text;
  return "\\frac{" + *a + "}{" + *b + "}";
}

// strip_string
Text normal_form(std::string s) {
  s = with_replaced(s, "\n", "");
  s = with_replaced(s, "\\!", "");
  s = with_replaced(s, "\\\\", "\\");
  s = with_replaced(s, "tfrac", "frac");
  s = with_replaced(s, "dfrac", "frac");
  s = with_replaced(s, "\\left", "");
  s = with_replaced(s, "\\right", "");
  s = with_replaced(s, "^{\\circ}", "");
  s = with_replaced(s, "^\\circ", "");
  s = with_replaced(s, "\\$", "");
  if (const auto parts = split(s, "\\text{ "); parts.size() > 1) {  // a unit on the right
    if (parts.size() != 2) return std::nullopt;
    s = parts[0];
  }
  s = with_replaced(s, "\\%", "");
  s = with_replaced(s, " .", " 0.");
  s = with_replaced(s, "{.", "{0.");
  if (s.empty()) return s;
  if (s[0] == '.') s = "0" + s;
  if (const auto parts = split(s, "="); parts.size() == 2 && parts[0].size() <= 2) s = parts[1];  // "k = "
  Text out = fix_sqrt(s);
  if (out) out = fix_fracs(with_replaced(*out, " ", ""));
  if (out && *out == "0.5") out = "\\frac{1}{2}";
  return out ? fix_a_slash_b(*out) : out;
}

// \text{x} -> x
std::string without_text(std::string text) {
  for (const std::string_view command : {"\\text{", "\\mbox{", "\\mathrm{", "\\textbf{"}) {
    for (size_t at = text.find(command); at != std::string::npos; at = text.find(command, at)) {
      const size_t close = text.find('}', at);
      if (close == std::string::npos) break;
      text.erase(close, 1);
      text.erase(at, command.size());
    }
  }
  return text;
}

std::string first_line(std::string_view text) {
  std::string line = stripped(stripped(text).substr(0, stripped(text).find('\n')));
  while (line.ends_with('.') || line.ends_with('$') || line.ends_with('*')) line.pop_back();
  while (line.starts_with('$') || line.starts_with('*')) line.erase(0, 1);
  return stripped(line);
}

std::string answer_of(const Example&, const std::string& text) {
  if (const auto found = last_boxed(text)) return *found;
  if (text.find("\\boxed{") != std::string::npos) return "";  // the last is not closed
  if (!announcements(text).empty()) return first_line(announced(text));
  return stripped(text).find('\n') == std::string::npos ? first_line(text) : "";
}

}  // namespace

std::optional<std::string> last_boxed(const std::string& text) {
  constexpr std::string_view kSpaced = "\\boxed ";
  if (const size_t at = text.rfind(kSpaced); at != std::string::npos) {
    const std::string tail = text.substr(at + kSpaced.size());
    return tail.substr(0, tail.find('$'));
  }
  size_t begin = text.rfind("\\boxed");
  if (begin == std::string::npos) begin = text.rfind("\\fbox");
  if (begin == std::string::npos) return std::nullopt;
  int64_t open = 0;
  size_t first = std::string::npos;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{' && open++ == 0 && first == std::string::npos) first = i;
    if (text[i] == '}' && --open == 0) return text.substr(first + 1, i - first - 1);
  }
  return std::nullopt;
}

bool is_equiv(const std::string& a, const std::string& b) {
  const Text x = normal_form(a), y = normal_form(b);
  return x && y ? *x == *y : a == b;
}

Scorer boxed() {
  return make_equality_scorer(
      "boxed", "what stands in the last \\boxed{} equals the reference as MATH's is_equiv sees it", answer_of,
      [](const std::string& reference, const std::string& answer) {
        const std::string expected = last_boxed(reference).value_or(reference);
        return is_equiv(answer, expected) || is_equiv(without_text(answer), without_text(expected));
      });
}

}  // namespace tacit
