#include "latent/halt.h"

#include <limits>

#include "lib/core/error.h"

namespace tacit::halt {

Halt never() {
  return {"never", [](const StepState& state, const NextInput&) { return std::vector<char>(state.rows(), 0); },
          std::numeric_limits<int64_t>::max()};
}

Halt fixed(int64_t steps) {
  return {"fixed",
          [steps](const StepState& state, const NextInput&) {
            return std::vector<char>(state.rows(), state.step() >= steps);
          },
          steps};
}

Halt delimiter(int64_t token) {
  return {"delimiter", [token](const StepState& state, const NextInput& proposal) {
            require(!proposal.tokens.empty(), "think", "expected a feedback that proposes tokens for halt 'delimiter'");
            std::vector<char> stop(state.rows());
            for (size_t b = 0; b < stop.size(); ++b) stop[b] = proposal.tokens[b] == token;
            return stop;
          }};
}

}  // namespace tacit::halt
