#include "latent/halt.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lib/core/error.h"
#include "lib/model/accounting.h"

namespace tacit::halt {

// One flag a row.
template <class Stop>
static Halt by_row(std::string name, Stop stop) {
  return {std::move(name), [stop](const StepState& state, const NextInput&) {
            std::vector<char> out(state.rows());
            for (int64_t b = 0; b < state.rows(); ++b) out[b] = stop(state, b);
            return out;
          }};
}

namespace {

struct AfterSteps {
  int64_t steps;
  std::vector<char> operator()(const StepState& state, const NextInput&) const {
    return std::vector<char>(state.rows(), state.step() >= steps);
  }
};

}  // namespace

Halt never() { return {"never", AfterSteps{std::numeric_limits<int64_t>::max()}}; }

Halt fixed(int64_t steps) { return {"fixed", AfterSteps{steps}}; }

std::optional<int64_t> ends_after(const Halt& halt) {
  const AfterSteps* const own = halt.stop.target<AfterSteps>();
  return own ? std::optional(own->steps) : std::nullopt;
}

Halt delimiter(StopTokens tokens) {
  return {"delimiter", [tokens = std::move(tokens)](const StepState& state, const NextInput& proposal) {
            require(!proposal.tokens.empty(), "think", "expected a feedback that proposes tokens for halt 'delimiter'");
            std::vector<char> stop(state.rows());
            for (size_t b = 0; b < stop.size(); ++b) stop[b] = tokens.contains(proposal.tokens[b]);
            return stop;
          }};
}

Halt entropy(double threshold) {
  return by_row("entropy", [threshold](const StepState& state, int64_t b) {
    const at::Tensor log_p_V = at::log_softmax(state.logits_BV()[b].to(at::kFloat), -1);
    return -(log_p_V.exp() * log_p_V).sum().item<double>() <= threshold;
  });
}

Halt convergence(double epsilon) {
  return by_row("convergence", [epsilon](const StepState& state, int64_t b) {
    RowNotes& notes = state.notes(b);
    const at::Tensor now_D = state.hidden_BD()[b].to(at::kFloat);
    at::Tensor& before_D = notes.vectors["halt.convergence"];
    const bool stop = notes.thoughts > 0 && before_D.defined() &&
                      (now_D - before_D).norm().item<double>() <= epsilon * before_D.norm().item<double>();
    before_D = now_D.clone();
    return stop;
  });
}

Halt budget_flops(const ModelConfig& config, double flops) {
  return by_row("budget_flops", [config, flops](const StepState& state, int64_t b) {
    const int64_t length = state.length(b), taken = state.notes(b).thoughts;
    double spent = 0;  // with the next thought
    for (int64_t k = 0; k <= taken; ++k)
      spent += static_cast<double>(thought_cost(config, length - taken + k + 1).flops);
    return spent > flops;
  });
}

Halt head(at::Tensor weight_D, at::Tensor bias_1, double threshold) {
  require(weight_D.dim() == 1 && bias_1.numel() == 1, "halt", "expected a head of shape [D] and one bias but got ",
          shape_text(weight_D.sizes()), " and ", shape_text(bias_1.sizes()));
  const double bias = bias_1.item<double>();
  return by_row("head", [=](const StepState& state, int64_t b) {
    require(weight_D.size(0) == state.hidden_BD().size(1), "halt", "expected a head of ", state.hidden_BD().size(1),
            " weights but got ", weight_D.size(0));
    const double logit = (state.hidden_BD()[b].to(at::kFloat) * weight_D).sum().item<double>() + bias;
    return 1 / (1 + std::exp(-logit)) >= threshold;
  });
}

Halt by_id(std::vector<int64_t> thoughts) {
  return by_row("by_id", [thoughts = std::move(thoughts)](const StepState& state, int64_t b) {
    const int64_t id = state.id(b);
    require(id >= 0 && id < std::ssize(thoughts), "halt", "expected rows called 0 to ", std::ssize(thoughts) - 1,
            " but got ", id);
    return state.notes(b).thoughts >= thoughts[id];
  });
}

}  // namespace tacit::halt
