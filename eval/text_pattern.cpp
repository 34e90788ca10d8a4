#include "eval/text_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/core/error.h"
#include "lib/tokenizer/regex.h"

namespace tacit {

struct TextPattern::Compiled {
  pcre2_code* code = nullptr;
  ~Compiled() { pcre2_code_free(code); }
};

// Group 0 is the match; a group that took no part is empty.
struct TextPattern::Match {
  size_t begin, end;
  std::vector<std::string> groups;
  const std::string& wanted() const { return groups[groups.size() > 1 ? 1 : 0]; }
};

TextPattern::TextPattern(std::string pattern, const std::string& operation, const std::string& source)
    : text_(std::move(pattern)) {
  auto compiled = std::make_shared<Compiled>();
  int error = 0;
  PCRE2_SIZE offset = 0;
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), PCRE2_UTF | PCRE2_UCP,
                                 &error, &offset, nullptr);
  if (compiled->code == nullptr) {
    fail(operation, "expected a regular expression but got ", pcre2_text(error), " at byte ", offset, " of '", text_,
         "' in ", source);
  }
  compiled_ = std::move(compiled);
}

// The interpreter, whose stack is on the heap; its own limit ends what would backtrack for ever.
std::vector<TextPattern::Match> TextPattern::matches(std::string_view text, size_t most) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(compiled_->code, nullptr), &pcre2_match_data_free);
  require(data != nullptr, "match", "expected memory for a match but got none");
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
  const uint32_t groups = pcre2_get_ovector_count(data.get());
  std::vector<Match> out;
  for (size_t from = 0; from <= text.size() && (most == 0 || out.size() < most);) {
    const int result = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0,
                                   data.get(), nullptr);
    if (result == PCRE2_ERROR_NOMATCH) break;
    require(result > 0, "match", "expected to match '", text_, "' but got ", result < 0 ? pcre2_text(result) : "");
    Match match{.begin = bounds[0], .end = bounds[1], .groups = {}};
    for (uint32_t g = 0; g < groups; ++g) {
      const bool took_part = static_cast<int>(g) < result && bounds[2 * g] != PCRE2_UNSET;
      match.groups.emplace_back(took_part ? text.substr(bounds[2 * g], bounds[2 * g + 1] - bounds[2 * g])
                                          : std::string_view());
    }
    from = match.end > match.begin ? match.end : behind_character(text, match.end);
    out.push_back(std::move(match));
  }
  return out;
}

std::optional<std::string> TextPattern::find(std::string_view text, bool last) const {
  const std::vector<Match> found = matches(text, last ? 0 : 1);
  if (found.empty()) return {};
  return found.back().wanted();
}

std::vector<std::string> TextPattern::find_all(std::string_view text) const {
  std::vector<std::string> out;
  for (const Match& match : matches(text)) out.push_back(match.wanted());
  return out;
}

std::string TextPattern::replaced(std::string_view text, std::string_view with) const {
  std::string out;
  size_t from = 0;
  for (const Match& match : matches(text)) {
    out += text.substr(from, match.begin - from);
    for (size_t i = 0; i < with.size(); ++i) {
      const bool group = with[i] == '$' && i + 1 < with.size() && with[i + 1] >= '1' && with[i + 1] <= '9';
      if (!group) {
        out += with[i];
        continue;
      }
      const size_t number = static_cast<size_t>(with[++i] - '0');
      if (number < match.groups.size()) out += match.groups[number];
    }
    from = match.end;
  }
  return out += text.substr(from);
}

std::vector<std::string> TextPattern::split(std::string_view text) const {
  std::vector<std::string> out;
  size_t from = 0;
  for (const Match& match : matches(text)) {
    if (match.begin == match.end) continue;
    out.emplace_back(text.substr(from, match.begin - from));
    from = match.end;
  }
  out.emplace_back(text.substr(from));
  return out;
}

size_t behind_character(std::string_view text, size_t at) {
  do ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

std::string without_outer_space(std::string_view text) {
  const char* space = " \t\r\n";
  const size_t begin = text.find_first_not_of(space);
  if (begin == text.npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(space) + 1 - begin));
}

}  // namespace tacit
