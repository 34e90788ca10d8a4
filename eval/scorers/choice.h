#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/scorer.h"

namespace tacit {

// The choice that the reference answer names, by its text, else by its letter ("B", "(B)"). Fails where there are no
// choices or the answer is none of them.
int64_t reference_choice(const Example& example);

// The choice that a generated text settles on, behind its last announcement (plain_text.h) where it has one: a letter
// in brackets; a letter that the text begins with, "B." or "B)" or "B" alone; the choice whose text stands there last,
// of several that end there the longest; in that order. Without an announcement the last letter in brackets counts.
std::optional<int64_t> written_choice(const Example& example, const std::string& text);

Scorer choice_text();

// By likelihood (decoding/choice.h), as lm-evaluation-harness's acc, acc_norm (log probability over the choice's
// characters), acc_bytes (over its bytes), and over its tokens. On a text: the choice whose text it is.
enum class ChoiceNorm { none, characters, bytes, tokens };
Scorer choice_likelihood(ChoiceNorm norm);

}  // namespace tacit
