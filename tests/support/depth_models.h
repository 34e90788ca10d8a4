#pragma once

#include <ATen/Parallel.h>

#include <memory>
#include <string>
#include <vector>

#include "lib/core/json.h"
#include "lib/model/checkpoint.h"

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

struct DepthModel {
  std::string name;
  std::shared_ptr<const Transformer> model;
};

inline std::shared_ptr<const Transformer> depth_model(const Json& json, uint64_t seed = 1) {
  at::set_num_threads(1);
  return make_model(model_config_from_json(json, "test.json"), seed);
}

inline const std::vector<int64_t> kDepthTokens = {3, 17, 4, 4, 19, 11, 0, 7};
inline constexpr double kDepthNear = 5e-5;  // sums in another order, a dozen layers deep

}  // namespace tacit::test
