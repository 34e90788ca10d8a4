#include "eval/scorers/word_scorers.h"

#include <sstream>

namespace tacit {
namespace {

// One space between words, none around them.
std::string single_spaced(const std::string& text) {
  std::istringstream words(text);
  std::string out, word;
  while (words >> word) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string word_at_first(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  words >> word;
  return word;
}

std::string line_behind(const std::string& text, const std::string& mark) {
  const size_t at = text.rfind(mark);
  const std::string tail = at == std::string::npos ? text : text.substr(at + mark.size());
  const size_t begin = tail.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return single_spaced(tail.substr(begin, tail.find('\n', begin) - begin));
}

// The chain of thought and the answer may stand in one text, "...\n### Tom is a lempus."
std::string answer_sentence(const Example&, const std::string& text) { return line_behind(text, "###"); }

std::string without_stop(std::string text) {
  if (text.ends_with('.')) text.pop_back();
  return single_spaced(text);
}

bool same_sentence(const std::string& reference, const std::string& answer) {
  return without_stop(single_spaced(answer)) == without_stop(single_spaced(reference));
}

std::string without_commas(std::string text) {
  std::erase(text, ',');
  return text;
}

}  // namespace

bool is_sentence(const std::string& answer) { return answer.find(' ') != std::string::npos; }

Scorer first_word(const Json& options) {
  const Json known = options.is_null() ? Json::object() : options;
  const JsonReader in(known, "scorer", "the scorer's options");
  in.only({"behind", "ignore_commas"});
  const std::string mark = in.string("behind", "");
  const bool commas = in.boolean("ignore_commas", false);
  return make_equality_scorer(
      "first_word", mark.empty() ? "the first word is the answer" : "the first word behind " + mark + " is the answer",
      [mark](const Example&, const std::string& text) {
        return word_at_first(mark.empty() ? text : line_behind(text, mark));
      },
      [commas](const std::string& reference, const std::string& answer) {
        return commas ? without_commas(answer) == without_commas(reference) : answer == reference;
      });
}

Scorer sentence() {
  return make_equality_scorer("sentence", "the sentence after ### is the answer", answer_sentence, same_sentence);
}

Scorer as_it_stands() {
  return make_equality_scorer(
      "as_it_stands", "the first word, or the sentence after ###, is the answer",
      [](const Example& example, const std::string& text) {
        return is_sentence(example.answer) ? answer_sentence(example, text) : word_at_first(text);
      },
      [](const std::string& reference, const std::string& answer) {
        return is_sentence(reference) ? same_sentence(reference, answer) : answer == reference;
      });
}

}  // namespace tacit
