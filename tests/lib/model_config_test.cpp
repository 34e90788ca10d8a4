#include "lib/model/config.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

#include "lib/core/error.h"
#include "lib/model/rotary.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

Json llama_like(const std::string& type, const Json& more = Json::object()) {
  Json config = {{"model_type", type},       {"vocab_size", 32},
                 {"hidden_size", 16},        {"intermediate_size", 24},
                 {"num_hidden_layers", 2},   {"num_attention_heads", 4},
                 {"num_key_value_heads", 2}, {"max_position_embeddings", 64}};
  config.update(more);
  return config;
}

Json gpt2_like(const Json& more = Json::object()) {
  Json config = {{"model_type", "gpt2"}, {"vocab_size", 32}, {"n_embd", 16},
                 {"n_layer", 2},         {"n_head", 4},      {"n_positions", 64}};
  config.update(more);
  return config;
}

}  // namespace

TEST_CASE("a config that cannot be run is refused by field and reason") {
  struct Case {
    Json config;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{{"model_type", "lama"}}, "did you mean 'llama'"},
      {llama_like("llama", {{"quantization_config", {{"bits", 4}}}}), "'quantization_config' to be absent"},
      {llama_like("llama", {{"num_key_value_heads", 3}}), "'num_key_value_heads' to divide num_attention_heads"},
      {llama_like("llama", {{"hidden_act", "tanh"}}), "'hidden_act' to be one of"},
      {llama_like("llama", {{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2}}}}),
       "to be one of default, linear"},
      {llama_like("llama", {{"head_dim", 3}}), "'head_dim' to be even"},
      {llama_like("qwen2", {{"use_sliding_window", true}}), "'use_sliding_window' to be false"},
      {llama_like("qwen3", {{"layer_types", {"full_attention", "sliding_attention"}}}),
       "'layer_types' to hold full_attention"},
      {llama_like("gpt_neox", {{"num_attention_heads", 3}}), "'num_attention_heads' to divide hidden_size"},
      {llama_like("gpt_neox", {{"rotary_pct", 0}}), "'rotary_pct' to rotate a share"},
      {llama_like("gpt_neox", {{"rotary_pct", 0.3}}), "'rotary_pct' to rotate an even number"},
      {llama_like("tacit", {{"rotary_fraction", 2}}), "'rotary_fraction' to lie in 0..1"},
      {llama_like("llama", {{"max_position_embeddings", 1000000000000}}),
       "'max_position_embeddings' to be an integer from 1 to 16777216"},
      {llama_like("llama", {{"rms_norm_eps", -1}}), "'rms_norm_eps' to be finite and at least 0"},
      {llama_like("qwen2", {{"rms_norm_eps", -1}}), "'rms_norm_eps' to be finite"},
      {llama_like("qwen3", {{"rms_norm_eps", -1}}), "'rms_norm_eps' to be finite"},
      {llama_like("tacit", {{"rms_norm_eps", -1e-5}}), "'rms_norm_eps' to be finite"},
      {llama_like("gpt_neox", {{"layer_norm_eps", -1}}), "'layer_norm_eps' to be finite"},
      {gpt2_like({{"layer_norm_epsilon", -1}}), "'layer_norm_epsilon' to be finite"},
      {gpt2_like({{"n_head", 3}}), "'n_head' to divide n_embd"},
      {gpt2_like({{"scale_attn_by_inverse_layer_idx", true}}), "'scale_attn_by_inverse_layer_idx' to be false"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.config.dump());
    const std::string error = error_of([&] { model_config_from_json(c.config, "here.json"); });
    CAPTURE(error);
    CHECK(holds(error, c.message));
    if (c.config.size() > 1) CHECK(holds(error, "here.json"));
  }
}

TEST_CASE("older and newer spellings of the rotary fields say the same") {
  const auto frequencies = [](const Json& config) {
    return rotary_frequencies(model_config_from_json(config, "test").rotary);
  };
  const Json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 16}};
  Json parameters = scaling;
  parameters["rope_theta"] = 500.0;
  CHECK(frequencies(llama_like("llama", {{"rope_theta", 500.0}, {"rope_scaling", scaling}})) ==
        frequencies(llama_like("llama", {{"rope_parameters", parameters}})));
  CHECK(frequencies(llama_like("gpt_neox", {{"rotary_pct", 0.5}, {"rotary_emb_base", 300}})) ==
        frequencies(
            llama_like("gpt_neox", {{"rope_parameters", {{"rope_theta", 300}, {"partial_rotary_factor", 0.5}}}})));
}

TEST_CASE("YaRN keeps the fast waves, stretches the slow ones, and blends between") {
  RotaryConfig rotary{
      .theta = 10000, .size = 64, .scaling = RotaryConfig::Scaling::yarn, .factor = 4, .original_positions = 4096};
  const std::vector<double> scaled = rotary_frequencies(rotary);
  rotary.scaling = RotaryConfig::Scaling::none;
  const std::vector<double> plain = rotary_frequencies(rotary);
  for (size_t i = 0; i < plain.size(); ++i) {
    const double turns = 4096 * plain[i] / (2 * std::numbers::pi);
    CAPTURE(i);
    if (turns > 40) CHECK(scaled[i] == doctest::Approx(plain[i]).epsilon(1e-12));
    if (turns < 0.7) CHECK(scaled[i] == doctest::Approx(plain[i] / 4).epsilon(1e-12));
    CHECK(scaled[i] <= plain[i]);
    CHECK(scaled[i] >= plain[i] / 4);
  }
  CHECK(yarn_amplitude(4) == doctest::Approx(0.1 * std::log(4) + 1));
  CHECK(yarn_amplitude(1) == 1);
}
