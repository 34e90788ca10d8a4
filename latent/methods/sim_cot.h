#pragma once

#include "latent/method.h"

namespace tacit {

// What each of a row's `thoughts` stands for [SIM-CoT, arXiv:2509.20317]: thought k for step k, the last thought of the
// finished method for all steps that are left; the end marker behind each. Empty: a thought without a step.
std::vector<std::vector<int64_t>> step_targets(const Example& example, const ObjectiveContext& context,
                                               int64_t thoughts);

}  // namespace tacit
