#pragma once

#include <string>
#include <vector>

#include "eval/scorer.h"
#include "lib/core/json.h"

namespace tacit {

// A scorer by name, with its options; null = its defaults. docs/scoring.md has the rules. Fails naming the known
// scorers, or the option that is unknown.
Scorer scorer(const std::string& name, const Json& options = {});
std::vector<std::string> scorer_names();

}  // namespace tacit
