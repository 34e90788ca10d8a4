#pragma once

#include <optional>
#include <string>

#include "eval/scorer.h"

namespace tacit {

// MATH's notion of equal answers [Hendrycks et al., arXiv:2103.03874; lm-evaluation-harness 0.4.13,
// tasks/hendrycks_math/utils.py]: what stands in the last \boxed{} or \fbox{}, and whether two answers are equal once
// \frac, \sqrt, \left, \right, degrees, units, percent and dollar signs are brought into one form.
std::optional<std::string> last_boxed(const std::string& text);
bool is_equiv(const std::string& a, const std::string& b);

// The last box, else what stands behind the last announcement (plain_text.h) up to the end of the line, else a text of
// one line. Beyond is_equiv, \text{x}, \mbox{x}, \mathrm{x} and \textbf{x} are x.
Scorer boxed();

}  // namespace tacit
