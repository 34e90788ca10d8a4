#include "eval/scorers/boolean.h"

#include <cctype>
#include <optional>
#include <string_view>
#include <vector>

#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

struct Word {
  std::string text, lower;
  bool joined;  // to the word before it: nothing ends a clause between them
};

// With their apostrophes: "isn't". A hyphen between letters joins two words: "not-true".
std::vector<Word> words_in(std::string_view text) {
  constexpr std::string_view kJoins = " \t\"'*`_";
  std::vector<Word> out;
  const auto letter = [&](size_t at) {
    return at < text.size() &&
           (static_cast<unsigned char>(text[at]) >= 0x80 || std::isalnum(static_cast<unsigned char>(text[at])));
  };
  bool joined = false;
  for (size_t at = 0; at < text.size();) {
    if (!letter(at)) {
      const bool hyphen = text[at] == '-' && at > 0 && letter(at - 1) && letter(at + 1);
      joined = joined && (hyphen || kJoins.find(text[at]) != kJoins.npos);
      ++at;
      continue;
    }
    const size_t begin = at;
    while (letter(at) || (at < text.size() && text[at] == '\'' && letter(at + 1))) ++at;
    const std::string word(text.substr(begin, at - begin));
    out.push_back({word, lower_case(word), joined});
    joined = true;
  }
  return out;
}

std::optional<bool> meaning(const Word& word) {
  if (word.lower == "yes" || word.lower == "true") return true;
  if (word.lower == "no" || word.lower == "false") return false;
  return std::nullopt;
}

bool is_article(const Word& word) { return word.lower == "a" || word.lower == "an" || word.lower == "the"; }

bool negates(const std::vector<Word>& words, size_t i) {
  const std::string& word = words[i].lower;
  if (word == "longer") return i > 0 && words[i].joined && words[i - 1].lower == "no";
  return word == "not" || word == "never" || word == "cannot" || word.ends_with("n't") || word.ends_with("n\u2019t");
}

// Whether word i is the "no" of "no longer true". "No longer the case" is a plain no.
bool begins_no_longer(const std::vector<Word>& words, size_t i) {
  if (i + 1 == words.size() || !negates(words, i + 1) || words[i + 1].lower != "longer") return false;
  for (size_t k = i + 2; k < words.size() && words[k].joined; ++k) {
    if (!is_article(words[k])) return meaning(words[k]).has_value();
  }
  return false;
}

struct Saying {
  std::string text;  // "yes", "not true"
  bool value = false;
  bool first = false;  // nothing stands before it
};

// Word i as an answer, with what negates it right before: "not true" is false.
std::optional<Saying> saying(const std::vector<Word>& words, size_t i) {
  const std::optional<bool> plain = meaning(words[i]);
  if (!plain || begins_no_longer(words, i)) return std::nullopt;
  bool value = *plain;
  size_t begin = i;
  for (size_t k = i; k > 0 && words[k].joined; --k) {
    if (negates(words, k - 1)) {
      value = !value;
      begin = words[k - 1].lower == "longer" ? --k - 1 : k - 1;
    } else if (!is_article(words[k - 1])) {
      break;
    }
  }
  Saying out{.text = "", .value = value, .first = begin == 0};
  for (size_t k = begin; k <= i; ++k) out.text += (k == begin ? "" : " ") + words[k].text;
  return out;
}

std::optional<Saying> said_in(const std::string& text) {
  const bool is_announced = !announcements(text).empty();
  const std::vector<Word> words = words_in(announced(text));
  std::optional<Saying> last;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::optional<Saying> here = saying(words, i);
    if (here && (here->first || is_announced)) return here;
    if (here) last = here;
  }
  return last;
}

std::optional<bool> meaning(const std::string& answer) {
  const std::optional<Saying> said = said_in(answer);
  return said ? std::optional(said->value) : std::nullopt;
}

}  // namespace

Scorer boolean() {
  Scorer out = make_scorer(
      "boolean", "yes or true, no or false, is the reference",
      [](const Example&, const std::string& text) { return said_in(text).value_or(Saying()).text; },
      [](const Example& example, const std::string& answer) {
        const auto expected = meaning(example.answer);
        require(expected.has_value(), "score", "expected the answer of '", example.id,
                "' to be yes, no, true or false but got '", example.answer, "'");
        return meaning(answer) == expected;
      });
  out.same = [](const std::string& a, const std::string& b) { return meaning(a) == meaning(b); };
  return out;
}

}  // namespace tacit
