#include "eval/scorers/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "eval/sample.h"
#include "eval/text_pattern.h"
#include "lib/core/error.h"
#include "lib/tokenizer/regex.h"

namespace tacit {
namespace {

constexpr const char* kScore = "score";
constexpr uint32_t kMostSteps = 10'000'000;
constexpr uint32_t kMostHeapKib = 256 << 10;  // of one match

template <auto release>
struct Free {
  template <class T>
  void operator()(T* what) const {
    release(what);
  }
};
using CompileContext = std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;

}  // namespace

struct Pattern::Compiled {
  pcre2_code* code = nullptr;
  uint32_t groups = 0;
  ~Compiled() { pcre2_code_free(code); }
};

Pattern::Pattern(const std::string& pattern) : text_(pattern) {
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  auto compiled = std::make_shared<Compiled>();
  int error = 0;
  PCRE2_SIZE offset = 0;
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                                 &error, &offset, context.get());
  if (compiled->code == nullptr) {
    fail(kScore, "expected a regular expression but got ", pcre2_text(error), " at byte ", offset, " of '", pattern,
         "'");
  }
  pcre2_pattern_info(compiled->code, PCRE2_INFO_CAPTURECOUNT, &compiled->groups);
  compiled_ = std::move(compiled);
}

std::vector<std::vector<Pattern::Span>> Pattern::spans(std::string_view text) const {
  const auto* data = reinterpret_cast<PCRE2_SPTR>(text.data());
  const MatchContext context(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(context.get(), kMostSteps);
  pcre2_set_heap_limit(context.get(), kMostHeapKib);
  const MatchData found(pcre2_match_data_create(compiled_->groups + 1, nullptr));
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(found.get());
  std::vector<std::vector<Span>> out;
  uint32_t options = PCRE2_NO_UTF_CHECK;
  for (size_t from = 0; from <= text.size();) {
    const int result = pcre2_match(compiled_->code, data, text.size(), from, options, found.get(), context.get());
    if (result == PCRE2_ERROR_NOMATCH) {
      if (options == PCRE2_NO_UTF_CHECK) break;
      options = PCRE2_NO_UTF_CHECK;  // nothing but an empty match began there
      from = behind_character(text, from);
      continue;
    }
    if (result < 0) fail(kScore, "expected to match '", text_, "' but got ", pcre2_text(result), " at byte ", from);
    std::vector<Span>& match = out.emplace_back();
    for (uint32_t g = 0; g <= compiled_->groups; ++g) {
      const size_t begin = bounds[size_t{2} * g];
      match.push_back(begin == PCRE2_UNSET ? Span{std::string::npos, std::string::npos}
                                           : Span{begin, bounds[size_t{2} * g + 1]});
    }
    from = bounds[1];
    // Behind an empty match, as Python: a match there must be longer.
    options = PCRE2_NO_UTF_CHECK;
    if (bounds[1] == bounds[0]) options |= PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED;
  }
  return out;
}

std::vector<std::vector<std::string>> Pattern::find_all(std::string_view given) const {
  const std::string text = valid_utf8(std::string(given));
  std::vector<std::vector<std::string>> out;
  for (const auto& match : spans(text)) {
    std::vector<std::string>& groups = out.emplace_back();
    for (size_t g = match.size() > 1 ? 1 : 0; g < match.size(); ++g) {
      const Span span = match[g];
      groups.emplace_back(span.begin == std::string::npos ? std::string()
                                                          : text.substr(span.begin, span.end - span.begin));
    }
  }
  return out;
}

std::string Pattern::removed(std::string_view given) const {
  const std::string text = valid_utf8(std::string(given));
  std::string out;
  size_t kept = 0;
  for (const auto& match : spans(text)) {
    out += text.substr(kept, match[0].begin - kept);
    kept = match[0].end;
  }
  return out += text.substr(kept);
}

}  // namespace tacit
