#pragma once

#include "lib/core/json.h"

namespace tacit::test {

// config.json of a tiny model that thinks in depth, changed by `more`.
inline Json with(Json config, const Json& more) {
  config.update(more);
  return config;
}

inline Json llama_json(const Json& more = Json::object()) {
  return with({{"model_type", "llama"},
               {"vocab_size", 20},
               {"hidden_size", 16},
               {"intermediate_size", 24},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"max_position_embeddings", 64}},
              more);
}

inline Json universal_json(const Json& more = Json::object()) {
  return with(llama_json({{"model_type", "universal"}, {"base_model_type", "llama"}, {"recurrences", 3}}), more);
}

inline Json ouro_json(const Json& more = Json::object()) {
  return with(llama_json({{"model_type", "ouro"}, {"total_ut_steps", 3}}), more);
}

inline Json huginn_json(const Json& more = Json::object()) {
  return with({{"model_type", "huginn_raven"},
               {"vocab_size", 20},
               {"n_embd", 16},
               {"n_heads", 2},
               {"intermediate_size", 24},
               {"block_size", 64},
               {"n_layers_in_prelude", 1},
               {"n_layers_in_recurrent_block", 2},
               {"n_layers_in_coda", 1},
               {"mean_recurrence", 3}},
              more);
}

inline Json trm_json(const Json& more = Json::object()) {
  return with({{"model_type", "trm"},
               {"vocab_size", 20},
               {"hidden_size", 16},
               {"num_heads", 2},
               {"expansion", 4},
               {"H_cycles", 2},
               {"L_cycles", 2},
               {"L_layers", 2},
               {"seq_len", 12},
               {"pos_encodings", "rope"},
               {"halt_max_steps", 3}},
              more);
}

}  // namespace tacit::test
