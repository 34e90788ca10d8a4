#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "latent/feedback.h"

namespace tacit {

// Who has thought enough. Asked before each thought is consumed, with the input that the feedback proposes; the answer
// has one flag a row, non-zero = this row stops and does not consume the proposal.
struct Halt {
  std::string name;
  std::function<std::vector<char>(const StepState& state, const NextInput& proposal)> stop;
  std::optional<int64_t> after = {};  // set: `stop` ends every row after this many thoughts and looks at nothing
};

namespace halt {

Halt never();                   // only max_steps ends the thinking
Halt fixed(int64_t steps);      // after this many thoughts
Halt delimiter(int64_t token);  // when the feedback proposes this token; needs a feedback that proposes tokens

}  // namespace halt

}  // namespace tacit
