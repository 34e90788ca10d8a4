#include "lib/model/accounting.h"

#include <doctest/doctest.h>

#include <numeric>
#include <string>

#include "lib/core/error.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// Published config.json files, fields without meaning here left out.
Json published(const std::string& name) {
  return read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/lib/configs" / (name + ".json"), "test");
}

ModelConfig shapes_of(const Json& json) { return read_shapes(json, "config.json"); }
ModelConfig shapes_of(const char* name) { return shapes_of(published(name)); }
Account account_of(const char* name) { return account(shapes_of(name)); }

int64_t component(const Account& account, const std::string& name) {
  for (const auto& [known, count] : account.by_component) {
    if (known == name) return count;
  }
  return 0;
}

}  // namespace

// The numbers are those of transformers 5.3.0, whose models were built on the meta device from these configs.
TEST_CASE("parameters of published configs") {
  CHECK(account_of("gpt2").parameters == 124'439'808);
  CHECK(account_of("llama-3.2-1b").parameters == 1'235'814'400);
  CHECK(account_of("llama-3.2-1b").active_per_token == 1'235'814'400);
  CHECK(account_of("llama-3.2-1b").routed_experts == 0);
  CHECK(account_of("llama-3.2-1b").routed_experts_share() == 0.0);
  CHECK(account_of("qwen3-0.6b").parameters == 596'049'920);
}

TEST_CASE("Mixtral 8x7B: 46.7B, of which a token takes 12.9B") {
  const Account a = account_of("mixtral-8x7b");
  const int64_t expert = 3 * 4096 * 14336;
  CHECK(a.parameters == 46'702'792'704);  // transformers
  CHECK(a.routed_experts == int64_t{32} * 8 * expert);
  CHECK(a.active_per_token == a.parameters - int64_t{32} * 6 * expert);
  CHECK(component(a, "experts") == a.routed_experts);
  CHECK(component(a, "router") == 32 * 8 * 4096);
  CHECK(component(a, "shared_experts") == 0);
  CHECK(component(a, "mlp") == 0);
}

TEST_CASE("DeepSeek-V3: 671B, of which a token takes 37B, and the experts' share") {
  const Account a = account_of("deepseek-v3");
  const int64_t expert = 3 * 7168 * 2048;
  // transformers: 671,026,404,352 parameters and 58 x 256 corrections, which are buffers there.
  CHECK(a.parameters == 671'026'404'352 + 58 * 256);
  CHECK(a.routed_experts == int64_t{256} * 58 * expert);
  CHECK(a.routed_experts_share() ==
        doctest::Approx(static_cast<double>(int64_t{256} * 58 * expert) / 671'026'419'200.0));
  CHECK(a.active_per_token == a.parameters - int64_t{248} * 58 * expert);
  CHECK(a.active_per_token / 1'000'000'000 == 37);
  CHECK(component(a, "shared_experts") == int64_t{58} * expert);
  CHECK(component(a, "router") == int64_t{58} * 256 * (7168 + 1));
  CHECK(component(a, "mlp") == int64_t{3} * 3 * 7168 * 18432);
  CHECK(a.memory_values_per_token == 61 * (512 + 64));
}

TEST_CASE("DeepSeek-V3: the work of a step in the absorbed form") {
  const ModelConfig c = shapes_of("deepseek-v3");
  const int64_t attention = 7168 * 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 * 128 * 256 + 128 * 128 * 7168;
  const int64_t chosen = (8 + 1) * 3 * 7168 * 2048 + 256 * 7168, dense = 3 * 7168 * 18432;
  const int64_t matrices = 61 * attention + 58 * chosen + 3 * dense;
  const StepCost thought = thought_cost(c, 1000);
  CHECK(thought.flops == 2 * matrices + int64_t{61} * 2 * 128 * (576 + 512) * 1000);
  CHECK(thought.weights_read == matrices + 58 * 256 + 61 * (2 * 7168 + 1536 + 512) + 7168);
  CHECK(thought.memory_read == 61 * 576 * 1000);
  CHECK(thought.states_read == 0);
}

// transformers has no Huginn; raven's own model on the meta device gives 3,911,006,880 with its head untied, which
// shares the embedding.
TEST_CASE("Huginn-0125: 3.5B, read again at every recurrence") {
  const ModelConfig c = shapes_of("huginn-0125");
  const Account a = account(c);
  CHECK(a.parameters == 3'911'006'880 - 65536 * 5280);
  CHECK(a.active_per_token == a.parameters);
  CHECK(a.memory[0].layers == 2 + 4 * 32 + 2);
  CHECK(a.memory_values_per_token == (2 + 4 * 32 + 2) * 2 * 5280);
  const int64_t block = 4 * 5280 * 5280 + 2 * 5280 + 3 * 5280 * 17920 + 4 * 5280, adapter = 2 * 5280 * 5280;
  CHECK(thought_cost(c, 100).weights_read == (2 + 4 * 32 + 2) * block + 32 * adapter + 2 * 5280);
}

// Derived from the config; the exit gate is 2048 weights and a bias.
TEST_CASE("Ouro-1.4B: 1.4B, read again at every recurrence") {
  const ModelConfig c = shapes_of("ouro-1.4b");
  const Account a = account(c);
  const int64_t block = 4 * 2048 * 2048 + 3 * 2048 * 5632 + 4 * 2048;
  CHECK(a.parameters == 1'434'652'673);
  CHECK(a.parameters == 2 * 49152 * 2048 + 24 * block + 2048 + 2049);
  CHECK(a.memory[0].layers == 4 * 24);
  CHECK(a.memory_values_per_token == 4 * 24 * 2 * 2048);
  CHECK(thought_cost(c, 100).weights_read == 4 * (24 * block + 2048 + 2049));
  CHECK(thought_cost(c, 100).block_matrices_read == 4 * 24 * (block - 4 * 2048));  // norms and the gate are none
}

TEST_CASE("components and layers add up to the total") {
  for (const char* name : {"gpt2", "llama-3.2-1b", "qwen3-0.6b", "mixtral-8x7b", "deepseek-v3"}) {
    CAPTURE(name);
    const Account a = account_of(name);
    int64_t by_component = 0, tables_and_final_norm = 0;
    for (const auto& [part, count] : a.by_component) {
      by_component += count;
      if (part == "embedding" || part == "positions" || part == "unembedding") tables_and_final_norm += count;
    }
    CHECK(by_component == a.parameters);
    const ModelConfig c = shapes_of(name);
    tables_and_final_norm += c.hidden_size * (c.norm == NormKind::layer ? 2 : 1);
    CHECK(std::accumulate(a.by_layer.begin(), a.by_layer.end(), tables_and_final_norm) == a.parameters);
  }
}

TEST_CASE("memory of a token counts key/value heads only") {
  CHECK(account_of("gpt2").memory_values_per_token == 12 * 2 * 768);
  CHECK(account_of("llama-3.2-1b").memory_values_per_token == 16 * 2 * 8 * 64);
}

TEST_CASE("a thought costs a token without its vocabulary projection") {
  for (const bool tied : {true, false}) {
    Json json = published("llama-3.2-1b");
    json["tie_word_embeddings"] = tied;
    const ModelConfig c = shapes_of(json);
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

TEST_CASE("a window bounds what a step looks at and what is kept") {
  Json json = published("qwen3-0.6b");
  json.update({{"use_sliding_window", true}, {"sliding_window", 10}, {"max_window_layers", 20}});
  const ModelConfig c = shapes_of(json), all = shapes_of("qwen3-0.6b");
  const int64_t token = 2 * 8 * 128;  // values of a layer
  const Account a = account(c);
  CHECK(a.memory[0].layers == 20);
  CHECK(a.memory[0].values_per_token == 20 * token);
  CHECK(a.memory[1].layers == 8);
  CHECK(a.memory[1].fixed_values == 8 * 10 * token);
  CHECK(a.memory_values_per_token == 20 * token);
  CHECK(a.memory_fixed_values == 8 * 10 * token);
  CHECK(thought_cost(all, 100).flops - thought_cost(c, 100).flops == 8 * 4 * 16 * 128 * (100 - 10));
  CHECK(thought_cost(c, 100).memory_read == (20 * 100 + 8 * 10) * token);
  CHECK(thought_cost(c, 7).flops == thought_cost(all, 7).flops);
  using Bytes = std::array<int64_t, 3>;
  CHECK((memory_bytes(c, 100, 2) == Bytes{2 * 20 * 100 * token, 2 * 8 * 10 * token, 0}));
  CHECK((memory_bytes(c, 7, 4) == Bytes{4 * 20 * 7 * token, 4 * 8 * 7 * token, 0}));
  int64_t sum = 0;
  for (int64_t context = 1; context <= 20; ++context) sum += thought_cost(c, context).flops;
  CHECK(prompt_flops_per_token(c, 20) == sum / 20);
}

TEST_CASE("recurrences compute, read and remember anew; parameters are counted once") {
  ModelConfig c = shapes_of("llama-3.2-1b");
  const Account once = account(c);
  const StepCost one = thought_cost(c, 50);
  const int64_t block = once.by_layer[0];
  c.depth = {.recurrent = true, .prelude = 2, .coda = 1, .recurrences = 5};
  const Account again = account(c);
  const StepCost five = thought_cost(c, 50);
  CHECK(again.parameters == once.parameters);
  CHECK(again.by_component == once.by_component);
  CHECK(again.memory[0].layers == 2 + 5 * 13 + 1);
  CHECK(again.memory_values_per_token == (2 + 5 * 13 + 1) * 2 * 8 * 64);
  CHECK(five.weights_read - one.weights_read == 4 * 13 * block);
  CHECK(five.memory_read == 50 * again.memory_values_per_token);
  CHECK(five.flops - one.flops == 4 * 13 * (2 * (block - 2 * 2048) + 4 * 2048 * 50));
  CHECK(memory_bytes(c, 50, 4)[0] == 4 * 50 * again.memory_values_per_token);
}

TEST_CASE("shapes are read of a model that this build would refuse to run") {
  Json json = published("llama-3.2-1b");
  json["quantization_config"] = {{"quant_method", "fp8"}};
  json["rope_scaling"] = {{"rope_type", "dynamic"}, {"factor", 40}};
  CHECK(account(shapes_of(json)).parameters == 1'235'814'400);
  // DeepSeek-V3 as published is fp8.
  CHECK(holds(error_of([&] { model_config_from_json(published("deepseek-v3"), "config.json"); }),
              "[read_config] expected 'quantization_config' to be absent"));
  CHECK_NOTHROW(shapes_of("deepseek-v3"));
}

TEST_CASE("sizes beyond 63 bits are refused, not wrapped") {
  Json json = published("llama-3.2-1b");
  json["head_dim"] = int64_t{1} << 50;
  const std::string error = error_of([&] { account(shapes_of(json)); });
  CHECK(holds(error, "[account] expected sizes whose product fits 63 bits"));
}
