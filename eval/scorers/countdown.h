#pragma once

#include "eval/scorer.h"
#include "lib/core/json.h"

namespace tacit {

// An expression (arithmetic.h) over meta.numbers that gives meta.target, each number used at most once; with option
// `all` exactly once, as in the game of 24. Exact. The answer is the first line behind the last announcement
// (plain_text.h), else the last line that holds a digit, up to its "="; it is one only if it is an expression.
Scorer countdown(const Json& options);

}  // namespace tacit
