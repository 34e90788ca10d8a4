#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// "Every yumpus is not a rempus." as (yumpus, no, rempus); "Tom is a yumpus." as (Tom, yes, yumpus).
struct Statement {
  std::string subject, object;
  bool positive = true;
  auto operator<=>(const Statement&) const = default;
};

// One sentence of ProsQA's or ProntoQA's language: [Every|Each|All] X is|are [not] [a|an] Y. Plurals ("Yumpuses",
// "mammals") become singulars. Nothing where it is another sentence.
std::optional<Statement> parse_statement(std::string_view sentence);

// The sentences of a text: its parts at '.', '?', '!' and line ends, "" left out.
std::vector<std::string> sentences_of(std::string_view text);

// What follows from a question's statements, step by step.
class Derivation {
 public:
  explicit Derivation(const std::vector<Statement>& rules) : rules_(rules.begin(), rules.end()) {}

  // Takes one step. False where it is neither one of the question's statements about something that is known to hold of
  // the entity (or of the entity itself), nor a fact about the entity that follows from one of those by one rule. The
  // first step's subject is the entity.
  bool step(const Statement& statement);
  bool holds(const Statement& statement) const;  // has been derived
  const std::string& entity() const { return entity_; }

 private:
  std::set<Statement> rules_;
  std::string entity_;
  std::map<std::string, bool> known_;  // of the entity, and whether it is so or not
};

}  // namespace tacit
