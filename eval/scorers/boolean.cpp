#include "eval/scorers/boolean.h"

#include <optional>

#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

std::optional<bool> meaning(const std::string& word) {
  const std::string lower = lower_case(word);
  if (lower == "yes" || lower == "true") return true;
  if (lower == "no" || lower == "false") return false;
  return std::nullopt;
}

// "" where there is none.
std::string answer_word(const std::string& text) {
  const bool is_announced = !announcements(text).empty();
  std::string last;
  bool first = true;
  for (const std::string& word : words_of(announced(text))) {
    const bool says = meaning(word).has_value();
    if (says && (first || is_announced)) return word;
    if (says) last = word;
    first = false;
  }
  return last;
}

}  // namespace

Scorer boolean() {
  Scorer out = make_scorer(
      "boolean", "yes or true, no or false, is the reference",
      [](const Example&, const std::string& text) { return answer_word(text); },
      [](const Example& example, const std::string& answer) {
        const auto expected = meaning(answer_word(example.answer));
        require(expected.has_value(), "score", "expected the answer of '", example.id,
                "' to be yes, no, true or false but got '", example.answer, "'");
        return meaning(answer) == expected;
      });
  out.same = [](const std::string& a, const std::string& b) { return meaning(a) == meaning(b); };
  return out;
}

}  // namespace tacit
