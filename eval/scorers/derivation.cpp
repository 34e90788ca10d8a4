#include "eval/scorers/derivation.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "eval/scorers/plain_text.h"

namespace tacit {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string singular(const std::string& word, bool plural) {
  if (!plural) return word;
  if (word.ends_with("uses")) return word.substr(0, word.size() - 2);
  if (word.ends_with("ies")) return word.substr(0, word.size() - 3) + "y";
  if (word.ends_with("s") && !word.ends_with("ss") && !word.ends_with("us")) return word.substr(0, word.size() - 1);
  return word;
}

}  // namespace

std::optional<Statement> parse_statement(std::string_view sentence) {
  std::vector<std::string> w = words(sentence);
  const bool every =
      !w.empty() && (lower_case(w[0]) == "every" || lower_case(w[0]) == "each" || lower_case(w[0]) == "all");
  if (every) w.erase(w.begin());
  if (w.size() < 3 || (w[1] != "is" && w[1] != "are")) return std::nullopt;
  const bool plural = w[1] == "are";
  size_t at = 2;
  Statement out;
  out.positive = w[at] != "not";
  if (!out.positive) ++at;
  const bool article = at < w.size() && (w[at] == "a" || w[at] == "an");
  if (article) ++at;
  if (at + 1 != w.size()) return std::nullopt;
  out.object = singular(lower_case(w[at]), plural);
  // A concept may begin its sentence ("Yumpuses are .."); only a name keeps its capital.
  out.subject = every || plural ? singular(lower_case(w[0]), plural) : w[0];
  return out;
}

std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(".?!\n"), text.size());
    const std::string one = stripped(text.substr(0, end));
    if (!one.empty()) out.push_back(one);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool Derivation::holds(const Statement& statement) const {
  const auto found = known_.find(statement.object);
  return statement.subject == entity_ && found != known_.end() && found->second == statement.positive;
}

bool Derivation::step(const Statement& statement) {
  if (entity_.empty()) entity_ = statement.subject;
  const auto known = [&](const std::string& what) {
    const auto found = known_.find(what);
    return what == entity_ || (found != known_.end() && found->second);
  };
  bool follows = rules_.contains(statement) && known(statement.subject);
  if (!follows && statement.subject == entity_) {
    follows = std::ranges::any_of(rules_, [&](const Statement& rule) {
      return rule.object == statement.object && rule.positive == statement.positive && known(rule.subject);
    });
  }
  // A contradiction of what is known stays out of it: the first word counts.
  if (follows) known_.emplace(statement.object, statement.positive);
  return follows;
}

}  // namespace tacit
