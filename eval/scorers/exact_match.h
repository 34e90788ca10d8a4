#pragma once

#include "eval/scorer.h"
#include "lib/core/json.h"

namespace tacit {

// lm-evaluation-harness's exact_match [0.4.13: lm_eval/api/metrics.py, lm_eval/filters]: filters take the answer from
// the text, then text and reference are compared once both are relieved of what is to be ignored.
//
//   filter              a list of {"function": NAME, ..}, in order: regex and multi_choice_regex {regex_pattern,
//                       group_select, fallback; the second also ignore_case, ignore_punctuation, regexes_to_ignore},
//                       take_first, remove_whitespace, lowercase, uppercase; one alone may stand without the list
//   regexes_to_ignore   removed from both, in order; then ignore_case, ignore_punctuation, ignore_numbers
//
// Where a regex finds nothing and its fallback is the default "[invalid]", nothing was extracted. `name` and `rule`
// are the scorer's.
Scorer exact_match(const Json& options, const std::string& name = "exact_match", const std::string& rule = "");

Scorer gsm8k_strict();    // task gsm8k, filter strict-match: the first "#### 18"
Scorer gsm8k_flexible();  // task gsm8k, filter flexible-extract: the last number
Scorer gsm8k_cot();       // task gsm8k_cot, filter strict-match: the first "The answer is 18."

}  // namespace tacit
