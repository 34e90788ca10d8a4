#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>

#include "decoding/solve.h"
#include "lib/core/rng.h"

namespace tacit::test {

// One procedure of every kind over a vocabulary of 20 tokens.
inline std::map<std::string, Procedure> procedures() {
  const auto make = [](Feedback feedback, int64_t steps, Halt halt) {
    Procedure p;
    p.prompt_suffix = {17};
    p.think = {.max_steps = steps, .feedback = std::move(feedback), .halt = std::move(halt)};
    p.answer_marker = {18, 16};
    p.stop_tokens = 3;
    return p;
  };
  std::map<std::string, Procedure> all = {{"latent", make(feedback::hidden(), 4, halt::fixed(4))},
                                          {"words", make(feedback::embed_argmax(), 9, halt::delimiter(5))},
                                          {"pause", make(feedback::token(19), 3, halt::never())},
                                          {"direct", make(feedback::hidden(), 0, halt::never())}};
  all["layer"] = make(feedback::layer(0), 3, halt::fixed(3));
  all["parallel"] = make(feedback::hidden(), 0, halt::never());
  all["parallel"].parallel = {.name = "jacobi",
                              .positions = 4,
                              .iterations = 2,
                              .inputs = parallel::jacobi(at::full({32}, 0.5))};  // vectors of the tiny model's size
  all["bare"] = Procedure{.think = {.max_steps = 2}};  // a plain checkpoint: no markers, no stop token
  return all;
}

// Feeds back hidden states, but for a second thought that is not a number where the row's id is `id`.
inline Feedback breaking(int64_t id) {
  return {"breaks", [id](const StepState& state) {
            at::Tensor x_BD = state.hidden_BD().clone();
            for (int64_t b = 0; b < state.rows(); ++b) {
              if (state.id(b) == id && state.step() == 1) x_BD[b][0] = NAN;
            }
            return NextInput{x_BD};
          }};
}

// Stops every row before its second thought.
inline Halt before_second() {
  return {"second",
          [](const StepState& state, const NextInput&) { return std::vector<char>(state.rows(), state.step() >= 1); }};
}

// Prompts of 1 to 40 tokens behind `prefix`.
inline TokenRows random_prompts(int64_t rows, uint64_t seed = 11, const std::vector<int64_t>& prefix = {}) {
  Rng rng(seed);
  TokenRows prompts(rows, prefix);
  for (auto& prompt : prompts) {
    const int64_t own = rng.between(1, 40);
    for (int64_t i = 0; i < own; ++i) prompt.push_back(rng.below(20));
  }
  return prompts;
}

}  // namespace tacit::test
