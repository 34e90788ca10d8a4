#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "latent/feedback.h"
#include "latent/stop_tokens.h"

namespace tacit {

// Who has thought enough. Asked before each thought is consumed, with the input that the feedback proposes; the answer
// has one flag a row, non-zero = this row stops and does not consume the proposal. Rows that have stopped are asked
// about with the others: their flags, and what is noted of them, count for nothing.
struct Halt {
  std::string name;
  std::function<std::vector<char>(const StepState& state, const NextInput& proposal)> stop;
};

namespace halt {

Halt never();               // only max_steps ends the thinking
Halt fixed(int64_t steps);  // after this many thoughts
// How many, of a rule whose `stop` is never()'s (more than any max_steps) or fixed()'s; nothing of any other. Its type
// tells.
std::optional<int64_t> ends_after(const Halt& halt);
Halt delimiter(StopTokens tokens);  // when the feedback proposes one of them; needs a feedback that proposes tokens

// When the entropy of the readout, softmax of the logits where the row stands, is at most `threshold` nats; it may be
// so before the first thought.
Halt entropy(double threshold);

// When a thought changed the hidden state after the final norm by little: |h_k - h_(k-1)| <= epsilon |h_(k-1)|. Never
// before the first thought.
Halt convergence(double epsilon);

// When the next thought would bring the thoughts' arithmetic over `flops`: the sum of thought_cost() at the contexts
// that they had (lib/model/accounting.h). What feedback and rule compute themselves does not count.
Halt budget_flops(const ModelConfig& config, double flops);

// When a linear head says so of the hidden state after the final norm: sigmoid(weight . h + bias) >= threshold.
// weight [D], bias [1].
Halt head(at::Tensor weight_D, at::Tensor bias_1, double threshold = 0.5);

// After thoughts[id] thoughts, by the row's id (Session::name_rows).
Halt by_id(std::vector<int64_t> thoughts);

}  // namespace halt

}  // namespace tacit
