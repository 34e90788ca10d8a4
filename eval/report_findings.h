#pragma once

#include <string>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// What a comparison does not show, a sentence each, from its own numbers: rows that do not beat the best rule, or that
// halt by the reference answer, thoughts whose replacement changes nothing, p values that do not outlive Holm's
// correction, chains that were cut off, texts with a second answer, depths with few problems.
std::vector<std::string> negative_findings(const Comparison& comparison);

}  // namespace tacit
