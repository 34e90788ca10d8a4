#pragma once

#include <functional>
#include <string>
#include <vector>

#include "datasets/example.h"
#include "decoding/solve.h"

namespace tacit {

// What a rule says of a decoded text.
struct Score {
  std::string answer;      // as extracted; "" where nothing was found
  bool extracted = false;  // an answer was found: a text without one is counted apart from a wrong one
  bool correct = false;    // false where not extracted
};

struct Scorer {
  std::string name;  // "exact_match", "numeric"
  std::string rule;  // one sentence
  std::function<Score(const Example& example, const std::string& text)> score;
  // Where the scorer reads a sample's thoughts too: what it says of them and the text that follows; `score` is then for
  // a text without thoughts. Empty = it looks at the text alone.
  std::function<Score(const Example& example, const std::string& thoughts, const std::string& text)> score_chain = {};
  // Where choices are compared by likelihood (decoding/choice.h): one entry for each of example.choices, in order.
  // Empty = the scorer looks at the text alone.
  std::function<Score(const Example& example, const std::vector<ChoiceLikelihood>& choices)> score_choices = {};
  // It checks what was written against the question, as whether an expression gives 24 or a chain is a proof; the
  // reference alone need not be an answer to it.
  bool by_itself = false;
  // Whether two extracted answers are one, whatever the reference says (72 and 72.0); empty = the same text.
  std::function<bool(const std::string& a, const std::string& b)> same = {};
};

// Fails where the strategy counts what the scorer finds in answers but the scorer reads the thoughts before them too.
void require_votes(const Scorer& scorer, const Strategy& strategy, const Procedure& procedure);

// A scorer from its two halves; `extract` gives "" where there is no answer.
Scorer make_scorer(std::string name, std::string rule,
                   std::function<std::string(const Example& example, const std::string& text)> extract,
                   std::function<bool(const Example& example, const std::string& answer)> correct);

// The same where an answer is correct if `equal` to the reference's text, which is also when two answers are one.
Scorer make_equality_scorer(std::string name, std::string rule,
                            std::function<std::string(const Example& example, const std::string& text)> extract,
                            std::function<bool(const std::string& reference, const std::string& answer)> equal);

}  // namespace tacit
