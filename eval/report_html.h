#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// The comparison as one page that needs nothing beside itself: no network (its own policy forbids it), plots as SVG
// within, readable without scripts. What a section needs and the comparison does not have leaves the section out.
// `runs`, by name of a row, give the examples where the comparison holds no disagreements; they may be empty. The same
// input gives the same bytes.
std::string html_report(const Comparison& comparison, const std::vector<std::pair<std::string, Run>>& runs);

}  // namespace tacit
