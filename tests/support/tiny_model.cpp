#include "tests/support/tiny_model.h"

#include <ATen/Parallel.h>

#include "lib/model/checkpoint.h"

namespace tacit::test {

Json tiny_config(const TinyModelOptions& options) {
  return {{"model_type", "tacit"},
          {"vocab_size", options.vocab_size},
          {"hidden_size", options.hidden_size},
          {"intermediate_size", 2 * options.hidden_size},
          {"num_hidden_layers", options.layers},
          {"num_attention_heads", options.heads},
          {"max_position_embeddings", options.max_positions},
          {"tie_word_embeddings", false},
          {"rotary_fraction", 0.5},
          {"embedding_scale", 50},  // embeddings start with deviation 0.02
          {"smeared_keys", options.smeared_keys}};
}

std::shared_ptr<const Transformer> tiny_model(const TinyModelOptions& options) {
  at::set_num_threads(1);
  return make_model(model_config_from_json(tiny_config(options), "tiny_config"), options.seed);
}

}  // namespace tacit::test
