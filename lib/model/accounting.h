#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lib/model/config.h"

namespace tacit {

// What a model of a given shape holds, reads and computes: exact integers from arithmetic on the config.
struct Account {
  int64_t parameters = 0;        // tied embeddings counted once
  int64_t active_per_token = 0;  // all but routed experts that were not chosen; the input embedding counted whole
  int64_t routed_experts = 0;    // parameters of mixture-of-experts blocks that a router chooses among
  std::vector<std::pair<std::string, int64_t>>
      by_component;  // "embedding", "attention", .. in the order of the computation
  std::vector<int64_t> by_layer;
  int64_t memory_values_per_token = 0;  // values stored for each token of context, all layers
  int64_t memory_fixed_values = 0;      // values stored whatever the context: sliding windows, states

  double routed_experts_share() const { return parameters ? static_cast<double>(routed_experts) / parameters : 0; }
};

// Work of one step with `context` positions in memory, the step's own included.
struct StepCost {
  int64_t flops = 0;         // a multiply-add counts two
  int64_t weights_read = 0;  // parameters that must be read, again in every run of a block; of an embedding only the
                             // rows used
  int64_t memory_read = 0;   // values of the memory that must be read
};

Account account(const ModelConfig& config);
StepCost thought_cost(const ModelConfig& config, int64_t context);  // a thought needs no vocabulary projection
StepCost token_cost(const ModelConfig& config, int64_t context);    // a generated token
// Mean over the tokens of a prompt, whose contexts are 1 to `tokens`; only the last needs the vocabulary, which is left
// out.
int64_t prompt_flops_per_token(const ModelConfig& config, int64_t tokens);

// The shapes that a config.json describes, also of a model that this build would refuse to run: fields that say how
// weights are stored or positions are scaled are not looked at.
ModelConfig read_shapes(const Json& config, const std::string& source);

}  // namespace tacit
