#pragma once

#include <string>

#include "eval/scorer.h"
#include "lib/core/json.h"

namespace tacit {

// The first word of the text is the answer, exactly. Options: `behind` "###": the first word behind the last of them;
// `ignore_commas`: "1,400" is "1400", as in facebookresearch/coconut, run.py.
Scorer first_word(const Json& options);

// What stands behind the last "###" (all of the text when there is none) up to the end of the line, white space
// normalised, a full stop at the end aside [facebookresearch/coconut, run.py].
Scorer sentence();

// Of more than one word.
bool is_sentence(const std::string& answer);

// first_word where the reference answer is one word, else sentence.
Scorer as_it_stands();

}  // namespace tacit
