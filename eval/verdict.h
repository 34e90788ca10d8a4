#pragma once

#include "datasets/text_audit.h"
#include "eval/scorer.h"
#include "lib/core/error.h"

namespace tacit {

// Whether the text is a right answer: what the scorer says of it, where it takes the reference alone for one. Where it
// wants more around an answer ("#### 18", the text of a choice that is told by its letter), or refuses the example, as
// one without what it needs beside the reference: whether it is the reference's text.
inline TextVerdict verdict_of(const Scorer& scorer) {
  return [scorer](const Example& example, const std::string& text) {
    try {
      if (scorer.by_itself || scorer.score(example, example.answer).correct) return scorer.score(example, text).correct;
    } catch (const Error&) {}
    return text == example.answer;
  };
}

}  // namespace tacit
