#include "eval/scorers/choice.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "eval/scorers/plain_text.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// "B", "(B)", "b.", "B)" as 1; nothing where it is another text or no letter of one of `count` choices.
std::optional<int64_t> letter_alone(const std::string& text, size_t count) {
  std::string plain = stripped(text);
  std::erase_if(plain, [](char c) { return std::string_view("().:*{}$").find(c) != std::string_view::npos; });
  if (plain.size() != 1) return std::nullopt;
  const int64_t place = std::toupper(static_cast<unsigned char>(plain[0])) - 'A';
  if (place < 0 || place >= static_cast<int64_t>(count)) return std::nullopt;
  return place;
}

// Without the choice's own letter in front, "A) 100 m", where all choices have theirs; words in lower case, one space.
std::vector<std::string> plain_choices(const std::vector<std::string>& choices) {
  std::vector<std::string> bare;
  for (size_t i = 0; i < choices.size(); ++i) {
    std::string text = stripped(choices[i]);
    if (text.starts_with('(')) text.erase(0, 1);
    const bool lettered =
        text.size() > 1 && text[0] == static_cast<char>('A' + i) && (text[1] == ')' || text[1] == '.');
    if (!lettered) {
      bare = choices;
      break;
    }
    bare.push_back(stripped(text.substr(2)));
  }
  return bare;
}

std::string plain(const std::string& text) {
  std::string out;
  for (const char c : lower_case(stripped(text))) {
    if (!std::isspace(static_cast<unsigned char>(c))) {
      out += c;
    } else if (!out.ends_with(' ')) {
      out += ' ';
    }
  }
  while (out.ends_with('.')) out.pop_back();
  return out;
}

bool in_word(const std::string& text, size_t at) {
  if (at >= text.size()) return false;
  const auto c = static_cast<unsigned char>(text[at]);
  return c >= 0x80 || std::isalnum(c);
}

// Where `part` stands last in `text` as whole words; npos where it does not.
size_t last_place(const std::string& text, const std::string& part) {
  if (part.empty()) return std::string::npos;
  for (size_t at = text.rfind(part); at != std::string::npos;
       at = at == 0 ? std::string::npos : text.rfind(part, at - 1)) {
    const bool joined_before = at > 0 && in_word(part, 0) && in_word(text, at - 1);
    const bool joined_behind = in_word(part, part.size() - 1) && in_word(text, at + part.size());
    // 5 is not what 0.5 or 1,500 say
    const bool in_number =
        (at > 1 && (text[at - 1] == '.' || text[at - 1] == ',') && std::isdigit(text[at - 2]) &&
         std::isdigit(static_cast<unsigned char>(part[0]))) ||
        (at + part.size() + 1 < text.size() && (text[at + part.size()] == '.' || text[at + part.size()] == ',') &&
         std::isdigit(static_cast<unsigned char>(text[at + part.size() + 1])) &&
         std::isdigit(static_cast<unsigned char>(part.back())));
    if (!joined_before && !joined_behind && !in_number) return at;
  }
  return std::string::npos;
}

// A letter in brackets: the first or the last.
std::optional<int64_t> bracketed(const std::string& text, size_t count, bool last) {
  std::optional<int64_t> out;
  for (size_t at = text.find('('); at != std::string::npos && at + 2 < text.size(); at = text.find('(', at + 1)) {
    if (text[at + 2] != ')') continue;
    const auto letter = letter_alone(text.substr(at + 1, 1), count);
    if (letter) out = letter;
    if (letter && !last) break;
  }
  return out;
}

// "B. because", "B) 7", "B": the text begins with a capital letter that stands for itself.
std::optional<int64_t> leading(const std::string& text, size_t count) {
  const std::string plain = stripped(text);
  if (plain.empty() || !std::isupper(static_cast<unsigned char>(plain[0]))) return std::nullopt;
  if (plain.size() > 1 && std::string_view(".):,*}$\n").find(plain[1]) == std::string_view::npos) return std::nullopt;
  const bool closes_formula = plain.size() > 1 && (plain[1] == '$' || plain[1] == '}');
  if (closes_formula && in_word(plain, 2)) return std::nullopt;  // C$20 is a price
  return letter_alone(plain.substr(0, 1), count);
}

// Without "\text{" and its like, in which a box may hold its letter.
std::string without_font(std::string text) {
  for (const std::string_view font : {"\\text{", "\\textbf{", "\\mathrm{", "\\mathbf{", "\\mbox{"}) {
    if (text.starts_with(font)) text.erase(0, font.size());
  }
  return text;
}

// What stands behind an announcement: "b", "b) 7", "option B because ..", "option b."; not "the choice a man makes".
std::optional<int64_t> announced_letter(const std::string& tail, size_t count) {
  const std::string text = without_font(stripped(tail)), line = text.substr(0, text.find('\n'));
  if (const auto letter = letter_alone(line, count)) return letter;
  if (line.size() > 1 && line[1] == ')') return letter_alone(line.substr(0, 1), count);
  const std::string lower = lower_case(line);
  for (const std::string_view word : {"option ", "choice ", "letter "}) {
    const size_t at = word.size() + (lower.starts_with("the ") ? 4 : 0);
    if (!std::string_view(lower).substr(at - word.size()).starts_with(word)) continue;
    const bool capital = at < line.size() && std::isupper(static_cast<unsigned char>(line[at]));
    const bool ends = at + 1 >= line.size() || std::string_view(".,:;!?)*}$").find(line[at + 1]) != std::string::npos;
    if (ends || (capital && !in_word(line, at + 1))) return letter_alone(line.substr(at, 1), count);
  }
  return std::nullopt;
}

std::optional<int64_t> by_text(const std::string& text, const std::vector<std::string>& choices) {
  std::optional<int64_t> out;
  size_t end = 0, size = 0;
  for (size_t i = 0; i < choices.size(); ++i) {
    const std::string choice = plain(choices[i]);
    const size_t at = last_place(text, choice);
    if (at == std::string::npos) continue;
    const size_t choice_end = at + choice.size();
    if (out && (choice_end < end || (choice_end == end && choice.size() <= size))) continue;
    out = static_cast<int64_t>(i);
    end = choice_end;
    size = choice.size();
  }
  return out;
}

// The code points of valid UTF-8.
double characters(const std::string& text) {
  return static_cast<double>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

double normalised(const ChoiceLikelihood& choice, const std::string& text, ChoiceNorm norm) {
  switch (norm) {
    case ChoiceNorm::none: return choice.log_probability;
    case ChoiceNorm::characters: return choice.log_probability / characters(text);
    case ChoiceNorm::bytes: return choice.log_probability / static_cast<double>(text.size());
    case ChoiceNorm::tokens:
      require(choice.tokens > 0, "score", "expected the number of tokens of choice '", text, "' but it is unknown");
      return choice.log_probability / static_cast<double>(choice.tokens);
  }
  fail("score", "expected a normalisation");
}

}  // namespace

int64_t reference_choice(const Example& example) {
  require(!example.choices.empty(), "score", "expected example '", example.id, "' with choices but it has none");
  if (example.meta.is_object() && example.meta.contains("choice")) {  // where the answer is told by its place
    const int64_t place = example.meta.at("choice").get<int64_t>();
    require(place >= 0 && place < std::ssize(example.choices), "score", "expected meta.choice of '", example.id,
            "' from 0 to ", example.choices.size() - 1, " but got ", place);
    return place;
  }
  const auto found = std::ranges::find(example.choices, example.answer);
  if (found != example.choices.end()) return found - example.choices.begin();
  const std::vector<std::string> bare = plain_choices(example.choices);
  for (size_t i = 0; i < bare.size(); ++i) {
    if (plain(bare[i]) == plain(example.answer)) return static_cast<int64_t>(i);
  }
  const auto letter = letter_alone(example.answer, example.choices.size());
  require(letter.has_value(), "score", "expected the answer of '", example.id, "' to be one of its ",
          example.choices.size(), " choices, or a choice's letter, but got '", example.answer, "'");
  return *letter;
}

std::optional<int64_t> written_choice(const Example& example, const std::string& text) {
  const std::vector<std::string> choices = plain_choices(example.choices);
  const bool is_announced = !announcements(text).empty();
  const std::string tail(announced(text));
  const std::string whole = plain(tail);
  for (size_t i = 0; i < choices.size(); ++i) {  // also where choices are letters themselves
    if (whole == plain(choices[i])) return static_cast<int64_t>(i);
  }
  if (const auto letter = bracketed(tail, choices.size(), /*last=*/!is_announced)) return letter;
  if (const auto letter = leading(tail, choices.size())) return letter;
  if (const auto letter = is_announced ? announced_letter(tail, choices.size()) : std::nullopt) return letter;
  return by_text(whole, choices);
}

Scorer choice_text() {
  return {.name = "choice_text",
          .rule = "the choice whose letter or text the answer gives is the reference",
          .score = [](const Example& example, const std::string& text) {
            const int64_t expected = reference_choice(example);
            const auto written = written_choice(example, text);
            if (!written) return Score();
            return Score{example.choices[*written], true, *written == expected};
          }};
}

Scorer choice_likelihood(ChoiceNorm norm) {
  const auto verdict = [](const Example& example, int64_t chosen) {
    return Score{example.choices[chosen], true, chosen == reference_choice(example)};
  };
  Scorer out;
  switch (norm) {
    case ChoiceNorm::none:
      out.name = "choice_likelihood";
      out.rule = "the choice of the largest log probability, lm-evaluation-harness's acc";
      break;
    case ChoiceNorm::characters:
      out.name = "choice_likelihood_norm";
      out.rule = "the choice of the largest log probability a character, lm-evaluation-harness's acc_norm";
      break;
    case ChoiceNorm::bytes:
      out.name = "choice_likelihood_bytes";
      out.rule = "the choice of the largest log probability a byte, lm-evaluation-harness's acc_bytes";
      break;
    case ChoiceNorm::tokens:
      out.name = "choice_likelihood_mean";
      out.rule = "the choice of the largest log probability a token";
      break;
  }
  out.score = [verdict](const Example& example, const std::string& text) {
    const auto found = std::ranges::find(example.choices, text);
    if (found == example.choices.end()) return Score();
    return verdict(example, found - example.choices.begin());
  };
  out.score_choices = [verdict, norm](const Example& example, const std::vector<ChoiceLikelihood>& choices) {
    require(!choices.empty() && choices.size() == example.choices.size(), "score", "expected the likelihoods of ",
            example.choices.size(), " choices but got ", choices.size(), " for '", example.id, "'");
    int64_t best = 0;
    for (int64_t i = 1; i < std::ssize(choices); ++i) {
      if (normalised(choices[i], example.choices[i], norm) > normalised(choices[best], example.choices[best], norm))
        best = i;
    }
    return verdict(example, best);
  };
  return out;
}

}  // namespace tacit
