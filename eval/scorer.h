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
  bool reads_thoughts = false;  // `text` begins with the sample's thoughts, a line of their own
  // Where choices are compared by likelihood (decoding/choice.h): one entry for each of example.choices, in order.
  // Empty = the scorer looks at the text alone.
  std::function<Score(const Example& example, const std::vector<ChoiceLikelihood>& choices)> score_choices = {};
};

// A scorer from its two halves; `extract` gives "" where there is no answer.
Scorer make_scorer(std::string name, std::string rule,
                   std::function<std::string(const Example& example, const std::string& text)> extract,
                   std::function<bool(const Example& example, const std::string& answer)> correct);

}  // namespace tacit
