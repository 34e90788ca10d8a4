#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lib/memory/layout.h"
#include "lib/model/config.h"

namespace tacit {

// What the layers of one kind keep of a sequence (lib/memory/layout.h). Blocks that run again remember anew, so every
// recurrence has layers of its own.
struct MemoryAccount {
  MemoryLayer::Kind kind = MemoryLayer::Kind::full;
  int64_t layers = 0;
  int64_t values_per_token = 0;  // stored for each token of context
  int64_t fixed_values = 0;      // stored whatever the context
};

// What a model of a given shape holds: exact integers from arithmetic on the config. Blocks that run again are counted
// once.
struct Account {
  int64_t parameters = 0;        // tied embeddings counted once
  int64_t active_per_token = 0;  // all but routed experts that were not chosen; the input embedding counted whole
  int64_t routed_experts = 0;    // parameters of mixture-of-experts blocks that a router chooses among
  // In the order of the computation: "embedding", "norms", "attention", "mlp", "router", "experts", "shared_experts",
  // "time_mix" and "channel_mix" (RWKV), "log_linear", "unembedding", and what stands between blocks by its own name.
  std::vector<std::pair<std::string, int64_t>> by_component;
  std::vector<int64_t> by_layer;
  std::array<MemoryAccount, 3> memory;  // full, window, state
  int64_t memory_values_per_token = 0;  // sums of the three
  int64_t memory_fixed_values = 0;

  double routed_experts_share() const {
    return parameters ? static_cast<double>(routed_experts) / static_cast<double>(parameters) : 0;
  }
};

// Work of one step with `context` positions in memory, the step's own included. With recurrent depth every recurrence
// of the config counts, in all four: its blocks compute again, their weights are read again (no cache holds a model),
// and each has a memory of its own. A window bounds the positions that a layer looks at, a state replaces them.
struct StepCost {
  int64_t flops = 0;         // a multiply-add counts two; products with matrices, attention, and updates of states
  int64_t weights_read = 0;  // parameters that must be read: of an embedding only the rows used, of experts the chosen
  int64_t block_matrices_read = 0;  // those of them in matrices of blocks
  int64_t memory_read = 0;          // stored keys and values that must be read
  int64_t states_read = 0;          // values of states, which are fp32 whatever the model's dtype

  int64_t bytes(int64_t bytes_per_value) const {
    return bytes_per_value * (weights_read + memory_read) + 4 * states_read;
  }
};

Account account(const ModelConfig& config);
StepCost thought_cost(const ModelConfig& config, int64_t context);  // a thought needs no vocabulary projection
StepCost token_cost(const ModelConfig& config, int64_t context);    // a generated token
// Mean over the tokens of a prompt, whose contexts are 1 to `tokens` (`tokens` where the model reads in both
// directions); only the last needs the vocabulary, which is left out.
int64_t prompt_flops_per_token(const ModelConfig& config, int64_t tokens);
// Bytes that a memory for `context` tokens takes a row, in layers of each kind: full, window, state. No window is
// larger than the context, and states are fp32.
std::array<int64_t, 3> memory_bytes(const ModelConfig& config, int64_t context, int64_t bytes_per_value);

// The shapes that a config.json describes, also of a model that this build would refuse to run: fields that say how
// weights are stored, positions scaled or affinities computed are not looked at.
ModelConfig read_shapes(const Json& config, const std::string& source);

}  // namespace tacit
