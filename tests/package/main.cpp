// What research code does with the installed library: a model of its own making thinks, with a feedback and a halting
// rule written here.
#include <iostream>

#include "decoding/decode.h"
#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"

int main() {
  using namespace tacit;
  const Json config = {{"model_type", "llama"},         {"vocab_size", 13},           {"hidden_size", 16},
                       {"num_hidden_layers", 2},        {"num_attention_heads", 2},   {"intermediate_size", 24},
                       {"max_position_embeddings", 32}, {"tie_word_embeddings", true}};
  const auto model = make_model(model_config_from_json(config, "main.cpp"), /*seed=*/7);
  const Feedback halved = {"halved", [](const StepState& state) { return NextInput{state.hidden_BD() * 0.5, {}}; }};
  const Halt second = {"second", [](const StepState& state, const NextInput&) {
                         return std::vector<char>(state.rows(), state.step() == 2);
                       }};
  Session session(model, {.rows = 2, .capacity = 16});
  session.prefill({{1, 2, 3}, {4}});
  const Thoughts thoughts = session.think({.max_steps = 5, .feedback = halved, .halt = second, .keep_trace = true});
  if (thoughts.steps != std::vector<int64_t>{2, 2}) return 1;
  if (decode(session, {.max_tokens = 3}).size() != 2) return 1;
  try {
    session.feed({99});
  } catch (const Error& error) {
    std::cout << error.what() << '\n';
    return 0;
  }
  return 1;
}
