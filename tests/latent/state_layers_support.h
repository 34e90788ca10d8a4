#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/model/transformer.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {

inline constexpr int64_t kVocabulary = 11, kHidden = 16, kHeadSize = 8, kHeads = 2;

inline Json hybrid_config(const std::vector<std::string>& types, int64_t max_positions = 64) {
  Json config = test::tiny_config({.vocab_size = kVocabulary,
                                   .hidden_size = kHidden,
                                   .layers = std::ssize(types),
                                   .heads = kHeads,
                                   .max_positions = max_positions});
  config["layer_types"] = types;
  if (std::ranges::find(types, "sliding_attention") != types.end()) config["sliding_window"] = 3;
  if (std::ranges::find(types, "rwkv7") != types.end()) config["rwkv7_low_rank"] = 4;
  return config;
}

inline ModelConfig read(const Json& config) { return model_config_from_json(config, "config.json"); }

// Fresh weights moved about, so that no part is near nothing.
inline std::shared_ptr<const Transformer> model_of(const Json& json, uint64_t seed = 1,
                                                   at::ScalarType dtype = at::kFloat) {
  at::set_num_threads(1);
  const ModelConfig config = read(json);
  std::map<std::string, at::Tensor> weights = random_weights(config, seed, false);
  at::manual_seed(seed);
  for (auto& [name, weight] : weights) weight = (weight + 0.15 * at::randn_like(weight)).to(dtype);
  return std::make_shared<const Transformer>(config, std::move(weights));
}

inline TokenRows random_prompts(Rng& rng, int64_t rows, int64_t longest) {
  TokenRows out(rows);
  for (auto& row : out) {
    for (int64_t n = rng.between(1, longest); n > 0; --n) row.push_back(rng.below(kVocabulary));
  }
  return out;
}

}  // namespace tacit::test
