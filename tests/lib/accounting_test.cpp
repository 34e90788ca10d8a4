#include <doctest/doctest.h>

#include <numeric>
#include <string>

#include "lib/model/accounting.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

const Json kGpt2 = Json::parse(R"({"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768,
    "n_layer": 12, "n_head": 12, "activation_function": "gelu_new"})");

const Json kLlama1B = Json::parse(R"({"model_type": "llama", "vocab_size": 128256, "hidden_size": 2048,
    "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
    "max_position_embeddings": 131072, "tie_word_embeddings": true, "rope_theta": 500000.0,
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"}})");

Account account_of(const Json& json) { return account(read_shapes(json, "config.json")); }

}  // namespace

TEST_CASE("parameters of published configs") {
  CHECK(account_of(kGpt2).parameters == 124'439'808);
  CHECK(account_of(kLlama1B).parameters == 1'235'814'400);
  CHECK(account_of(kLlama1B).active_per_token == 1'235'814'400);
  CHECK(account_of(kLlama1B).routed_experts == 0);
  CHECK(account_of(kLlama1B).routed_experts_share() == 0.0);
}

TEST_CASE("components and layers add up to the total") {
  for (const Json& json : {kGpt2, kLlama1B}) {
    const Account a = account_of(json);
    int64_t by_component = 0, tables_and_final_norm = 0;
    for (const auto& [name, count] : a.by_component) {
      by_component += count;
      if (name == "embedding" || name == "positions" || name == "unembedding") tables_and_final_norm += count;
    }
    CHECK(by_component == a.parameters);
    const ModelConfig c = read_shapes(json, "config.json");
    tables_and_final_norm += c.hidden_size * (c.norm == NormKind::layer ? 2 : 1);
    CHECK(std::accumulate(a.by_layer.begin(), a.by_layer.end(), tables_and_final_norm) == a.parameters);
  }
}

TEST_CASE("memory of a token counts key/value heads only") {
  CHECK(account_of(kGpt2).memory_values_per_token == 12 * 2 * 768);
  CHECK(account_of(kLlama1B).memory_values_per_token == 16 * 2 * 8 * 64);
}

TEST_CASE("a thought costs a token without its vocabulary projection") {
  for (const bool tied : {true, false}) {
    Json json = kLlama1B;
    json["tie_word_embeddings"] = tied;
    const ModelConfig c = read_shapes(json, "config.json");
    const StepCost thought = thought_cost(c, 100), token = token_cost(c, 100);
    CHECK(token.flops - thought.flops == 2 * c.vocab_size * c.hidden_size);
    CHECK(token.weights_read - thought.weights_read == c.vocab_size * c.hidden_size + (tied ? 0 : c.hidden_size));
    CHECK(token.memory_read == thought.memory_read);
    // 2 operations a weight of a matrix, and 4 for every value of a head and position looked at.
    const int64_t matrices = 16 * (2 * 2048 * 2048 + 2 * 512 * 2048 + 3 * 8192 * 2048);
    CHECK(thought.flops == 2 * matrices + 16 * 4 * 2048 * 100);
    CHECK(prompt_flops_per_token(c, 1) == thought_cost(c, 1).flops);
    CHECK(prompt_flops_per_token(c, 3) == thought_cost(c, 2).flops);
  }
}

TEST_CASE("shapes are read of a model that this build would refuse to run") {
  Json json = kLlama1B;
  json["quantization_config"] = {{"quant_method", "fp8"}};
  json["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 40}};
  CHECK(account_of(json).parameters == 1'235'814'400);
}

TEST_CASE("sizes beyond 63 bits are refused, not wrapped") {
  Json json = kLlama1B;
  json["head_dim"] = int64_t{1} << 50;
  const std::string error = error_of([&] { account_of(json); });
  CHECK(holds(error, "[account] expected sizes whose product fits 63 bits"));
}
