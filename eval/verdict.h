#pragma once

#include "datasets/text_audit.h"
#include "eval/scorer.h"
#include "lib/core/error.h"

namespace tacit {

// What the scorer says of a text as an answer by itself. Where it refuses the example, as one without a reference or
// without what it needs beside one, whether the text is the reference's.
inline TextVerdict verdict_of(const Scorer& scorer) {
  return [scorer](const Example& example, const std::string& text) {
    try {
      return scorer.score(example, text).correct;
    } catch (const Error&) {
      return text == example.answer;
    }
  };
}

}  // namespace tacit
