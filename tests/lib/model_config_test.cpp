#include "lib/model/config.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <set>

#include "lib/core/error.h"
#include "lib/model/family.h"
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

Json mixtral_like(const Json& more = Json::object()) {
  Json config = llama_like("mixtral", {{"num_local_experts", 4}, {"num_experts_per_tok", 2}});
  config.update(more);
  return config;
}

Json deepseek_like(const Json& more = Json::object()) {
  Json config = {{"model_type", "deepseek_v3"},
                 {"vocab_size", 32},
                 {"hidden_size", 16},
                 {"intermediate_size", 24},
                 {"num_hidden_layers", 4},
                 {"num_attention_heads", 2},
                 {"q_lora_rank", nullptr},
                 {"kv_lora_rank", 10},
                 {"qk_nope_head_dim", 4},
                 {"qk_rope_head_dim", 8},
                 {"v_head_dim", 6},
                 {"n_routed_experts", 8},
                 {"num_experts_per_tok", 2},
                 {"n_shared_experts", 2},
                 {"moe_intermediate_size", 5},
                 {"n_group", 4},
                 {"topk_group", 2},
                 {"first_k_dense_replace", 1},
                 {"max_position_embeddings", 64}};
  config.update(more);
  return config;
}

std::vector<int64_t> windows(const Json& config) {
  std::vector<int64_t> out;
  const ModelConfig c = model_config_from_json(config, "test");
  for (int64_t layer = 0; layer < c.layers; ++layer) out.push_back(c.layer(layer).window);
  return out;
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
      {llama_like("llama", {{"rope_theta", 1.0}, {"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}}}}),
       "'rope_theta' to be above 1 beside YaRN"},
      {llama_like("llama",
                  {{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}, {"original_max_position_embeddings", 0}}}}),
       "'rope_scaling.original_max_position_embeddings' to be positive"},
      {llama_like("llama", {{"rope_scaling",
                             {{"rope_type", "llama3"},
                              {"factor", 2},
                              {"low_freq_factor", 4},
                              {"high_freq_factor", 4},
                              {"original_max_position_embeddings", 8}}}}),
       "'rope_scaling.high_freq_factor' to be above low_freq_factor"},
      {llama_like("tacit", {{"sliding_window", 8}}), "'sliding_window' to stand beside layer_types"},
      {llama_like("tacit", {{"sliding_window", 8}, {"layer_types", {"full_attention", "full_attention"}}}),
       "'sliding_window' to stand beside layer_types that name sliding_attention"},
      {llama_like("tacit", {{"rwkv7_low_rank", 4}}), "'rwkv7_low_rank' to stand beside layer_types that name rwkv7"},
      {llama_like("tacit", {{"rwkv7_low_rank", 4}, {"layer_types", {"full_attention", "full_attention"}}}),
       "'rwkv7_low_rank' to stand beside layer_types that name rwkv7"},
      {llama_like("llama", {{"sliding_window", 8}, {"layer_types", {"sliding_attention", "full_attention"}}}),
       "'layer_types' to hold full_attention only"},
      {llama_like("qwen2", {{"use_sliding_window", true}, {"sliding_window", 0}}), "'sliding_window' to be positive"},
      {llama_like("qwen2", {{"layer_types", {"full_attention"}}}), "'layer_types' to name a type for each"},
      {llama_like("qwen3", {{"layer_types", {"full_attention", "chunked_attention"}}}),
       "'layer_types' to hold full_attention and sliding_attention only"},
      {llama_like("qwen3", {{"layer_types", {"full_attention", "sliding_attention"}}}),
       "'layer_types' to hold full_attention only where"},
      {mixtral_like({{"num_experts_per_tok", 5}}), "'num_experts_per_tok' to be an integer from 1 to 4"},
      {mixtral_like({{"sliding_window", 0}}), "'sliding_window' to be an integer from 1"},
      {deepseek_like({{"quantization_config", {{"quant_method", "fp8"}}}}), "'quantization_config' to be absent"},
      {deepseek_like({{"scoring_func", "softmax"}}), "'scoring_func' to be sigmoid"},
      {deepseek_like({{"topk_method", "greedy"}}), "'topk_method' to be noaux_tc"},
      {deepseek_like({{"n_group", 3}}), "'n_group' to divide n_routed_experts"},
      {deepseek_like({{"n_group", 8}}), "'n_group' to leave at least two experts"},
      {deepseek_like({{"topk_group", 5}}), "'topk_group' to be an integer from 1 to 4"},
      {deepseek_like({{"topk_group", 1}, {"num_experts_per_tok", 3}}), "'num_experts_per_tok' to be at most"},
      {deepseek_like({{"qk_rope_head_dim", 7}}), "'qk_rope_head_dim' to be even"},
      {deepseek_like({{"num_key_value_heads", 1}}), "'num_key_value_heads' to equal num_attention_heads"},
      {deepseek_like({{"moe_layer_freq", 0}}), "'moe_layer_freq' to be positive"},
      {deepseek_like({{"n_shared_experts", -1}}), "'n_shared_experts' to be an integer of at least 0"},
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

TEST_CASE("any family may run again as universal that does not think in depth already") {
  const std::set<std::string> recurrent = {"huginn_raven", "ouro", "universal", "trm"};
  const std::string refusal = "'base_model_type' to be the model_type of a decoder without recurrent depth";
  for (const std::string& base : family_names()) {
    CAPTURE(base);
    const Json config = {{"model_type", "universal"}, {"base_model_type", base}};
    const std::string error = error_of([&] { model_config_from_json(config, "here.json"); });
    CHECK(holds(error, refusal) == recurrent.contains(base));
    CHECK(holds(error, refusal + ": one of gpt2, ") == recurrent.contains(base));
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

TEST_CASE("sliding windows of Qwen are those that transformers reads") {
  using Windows = std::vector<int64_t>;
  for (const std::string type : {"qwen2", "qwen3"}) {
    const auto of = [&](const Json& more) { return windows(llama_like(type, more)); };
    CHECK(of({{"sliding_window", 8}, {"max_window_layers", 1}}) == Windows{0, 0});
    CHECK(of({{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 1}}) == Windows{0, 8});
    CHECK(of({{"use_sliding_window", true}, {"sliding_window", 8}}) == Windows{0, 0});  // from layer 28
    CHECK(of({{"use_sliding_window", true}, {"max_window_layers", 0}}) == Windows{4096, 4096});
    CHECK(of({{"use_sliding_window", true}, {"max_window_layers", 0}, {"sliding_window", nullptr}}) == Windows{0, 0});
    const Json types = {"sliding_attention", "full_attention"};
    CHECK(of({{"use_sliding_window", true}, {"sliding_window", 8}, {"layer_types", types}}) == Windows{8, 0});
  }
  CHECK(windows(mixtral_like()) == Windows{0, 0});
  CHECK(windows(mixtral_like({{"sliding_window", 5}})) == Windows{5, 5});
}

TEST_CASE("experts stand where DeepSeek's config puts them") {
  const auto routed = [](const Json& more) {
    std::string out;
    const ModelConfig c = model_config_from_json(deepseek_like(more), "test");
    for (int64_t i = 0; i < c.layers; ++i) out += c.layer(i).feed_forward == FeedForwardKind::experts ? 'x' : '-';
    return out;
  };
  CHECK(routed({{"first_k_dense_replace", 1}}) == "-xxx");
  CHECK(routed({{"first_k_dense_replace", 0}}) == "xxxx");
  CHECK(routed({{"first_k_dense_replace", 9}}) == "----");
  CHECK(routed({{"first_k_dense_replace", 1}, {"moe_layer_freq", 2}}) == "--x-");
  CHECK(model_config_from_json(deepseek_like(), "test").experts.shared_mlp_size == 2 * 5);
  CHECK(model_config_from_json(deepseek_like({{"n_shared_experts", nullptr}}), "test").experts.shared_mlp_size == 0);
}

TEST_CASE("YaRN's temperature scales DeepSeek's softmax, its amplitude the rotated part") {
  const auto with = [](double mscale, double mscale_all_dim) {
    return model_config_from_json(deepseek_like({{"rope_scaling",
                                                  {{"type", "yarn"},
                                                   {"factor", 4},
                                                   {"original_max_position_embeddings", 16},
                                                   {"mscale", mscale},
                                                   {"mscale_all_dim", mscale_all_dim}}}}),
                                  "test");
  };
  const double plain = 1 / std::sqrt(12.0), log4 = std::log(4.0);
  const double temperature = 0.1 * 0.7 * log4 + 1;
  CHECK(with(1, 0.7).attention_scale == doctest::Approx(plain * temperature * temperature));
  CHECK(with(1, 0.7).rotary.amplitude == doctest::Approx((0.1 * log4 + 1) / temperature));
  CHECK(with(1, 1).rotary.amplitude == doctest::Approx(1));
  CHECK(with(1, 0).attention_scale == doctest::Approx(plain));  // 0 is as good as missing
  CHECK(with(0.5, 0).rotary.amplitude == doctest::Approx(0.1 * log4 + 1));
}
