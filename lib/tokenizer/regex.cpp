#include "lib/tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "lib/core/error.h"
#include "lib/tokenizer/stand_ins.h"

namespace tacit {

struct Regex::Compiled {
  pcre2_code* code = nullptr;
  bool jit = false;
  ~Compiled() { pcre2_code_free(code); }
};

namespace {

struct MatchDataDeleter {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

std::string pcre2_text(int error) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

Regex::Regex(const std::string& pattern, std::string_view operation, std::string_view source) {
  require(!with_stand_ins(pattern), operation, "expected a regular expression of older characters than '", pattern,
          "' in ", source);  // it would look for what find_all replaces
  auto compiled = std::make_unique<Compiled>();
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  compiled->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                                 &error, &offset, context.get());
  if (compiled->code == nullptr) {
    fail(operation, "expected a regular expression but got ", pcre2_text(error), " at byte ", offset, " of '", pattern,
         "' in ", source);
  }
  uint32_t matches_empty = 0;
  pcre2_pattern_info(compiled->code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
  require(matches_empty == 0, operation, "expected a regular expression that matches at least one character but got '",
          pattern, "' in ", source);
  compiled->jit = pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE) == 0;
  compiled_ = std::move(compiled);
}

Regex::~Regex() = default;

void Regex::find_all(std::string_view text, std::vector<Span>& matches) const {
  const std::optional<std::string> replaced = with_stand_ins(text);
  const std::string_view subject = replaced ? std::string_view(*replaced) : text;
  const auto* data = reinterpret_cast<PCRE2_SPTR>(subject.data());
  const std::unique_ptr<pcre2_match_data, MatchDataDeleter> found(pcre2_match_data_create(1, nullptr));
  require(found != nullptr, "tokenize", "expected memory for a match but got none");
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(found.get());
  for (size_t from = 0; from < subject.size(); from = bounds[1]) {
    int result = PCRE2_ERROR_JIT_STACKLIMIT;
    if (compiled_->jit) result = pcre2_jit_match(compiled_->code, data, subject.size(), from, 0, found.get(), nullptr);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
      // No JIT on this machine, or too little stack for it: the interpreter uses the heap.
      result = pcre2_match(compiled_->code, data, subject.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, found.get(),
                           nullptr);
    }
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0) fail("tokenize", "expected to split the text but got ", pcre2_text(result), " at byte ", from);
    // An empty match is possible only for a pattern whose emptiness hides behind a lookaround.
    require(bounds[1] > from, "tokenize", "expected a match of at least one character but got none at byte ", from);
    matches.push_back({bounds[0], bounds[1]});
  }
}

namespace {

// Walks a pattern and stops at the first construct outside the set that Oniguruma and PCRE2 read alike.
class PortabilityCheck {
 public:
  explicit PortabilityCheck(std::string_view pattern) : text_(pattern) {}

  std::string run() {
    while (at_ < text_.size() && bad_.empty()) {
      const char c = text_[at_];
      if (c == '\\')
        escape();
      else if (c == '[')
        character_class();
      else if (c == '(')
        group();
      else if (c == '{')
        repetition();
      else if (c == '^' || c == '$')
        stop(1);  // Oniguruma's match at every line
      else
        ++at_;
    }
    return bad_;
  }

 private:
  bool starts(std::string_view prefix) const { return text_.substr(at_).starts_with(prefix); }
  void stop(size_t size) { bad_ = text_.substr(at_, size); }

  void escape() {
    if (at_ + 1 >= text_.size()) return stop(1);
    const char c = text_[at_ + 1];
    if (c == 'p' || c == 'P') return category();
    if (std::string_view("sSdDnrtf").find(c) == std::string_view::npos &&
        (static_cast<unsigned char>(c) >= 0x80 || std::isalnum(static_cast<unsigned char>(c))))
      return stop(2);
    at_ += 2;
  }

  // Scripts and binary properties differ between the two; general categories do not.
  void category() {
    static constexpr std::string_view kCategories =
        " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn ";
    const size_t end = text_.find('}', at_);
    if (end == std::string_view::npos || text_[at_ + 2] != '{') return stop(3);
    const std::string_view name = text_.substr(at_ + 3, end - at_ - 3);
    const bool known = kCategories.find(' ' + std::string(name) + ' ') != std::string_view::npos;
    if (!known || name.find(' ') != std::string_view::npos) return stop(end + 1 - at_);
    at_ = end + 1;
  }

  void character_class() {
    const size_t begin = at_++;
    if (starts("^")) ++at_;
    if (starts("]")) return stop(1);
    while (at_ < text_.size() && bad_.empty()) {
      if (text_[at_] == ']') {
        ++at_;
        return;
      }
      if (text_[at_] == '\\')
        escape();
      else if (starts("[") || starts("&&"))
        stop(2);  // set operations of Oniguruma
      else
        ++at_;
    }
    if (bad_.empty()) bad_ = text_.substr(begin);
  }

  void group() {
    if (!starts("(?")) {
      ++at_;
      return;
    }
    for (std::string_view known : {"(?:", "(?i:", "(?!", "(?=", "(?<!", "(?<="}) {
      if (starts(known)) {
        at_ += known.size();
        return;
      }
    }
    stop(3);
  }

  void repetition() {
    const size_t begin = at_++;
    const auto digits = [&] {
      const size_t from = at_;
      while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
      return at_ > from;
    };
    bool plain = digits();
    if (starts(",")) {
      ++at_;
      digits();
    }
    plain = plain && starts("}");
    if (plain) ++at_;
    if (plain && !starts("+")) return;  // {n,m}+ is possessive in PCRE2 only
    bad_ = text_.substr(begin, at_ + 1 - begin);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string bad_;
};

}  // namespace

std::string unportable_construct(std::string_view pattern) { return PortabilityCheck(pattern).run(); }

std::string escaped_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && std::ispunct(static_cast<unsigned char>(c))) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace tacit
