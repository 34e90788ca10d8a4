#include <doctest/doctest.h>

#include "tests/apps/checkpoint.h"
#include "tests/support/depth_models.h"

using namespace tacit;
using namespace tacit::test;

TEST_CASE("inspect --json: exact integers from a config.json alone") {
  const ScratchFolder scratch;
  put(scratch / "config.json", R"({"model_type": "gpt2", "vocab_size": 50257, "n_positions": 1024, "n_embd": 768,
      "n_layer": 12, "n_head": 12, "quantization_config": {"quant_method": "fp8"}})");
  for (const std::string& path : {scratch.path().string(), (scratch / "config.json").string()}) {
    const Finished result = run_tacit({"inspect", path, "--json", "--bandwidth", "25", "--context", "100"});
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    const Json json = Json::parse(result.out);
    const Json& parameters = json.at("parameters");
    CHECK(parameters.at("total") == 124'439'808);
    CHECK(parameters.at("active_per_token") == 124'439'808);
    CHECK(parameters.at("routed_experts") == 0);
    CHECK(parameters.at("routed_experts_share") == 0.0);
    CHECK(parameters.at("by_component").at("embedding") == 50257 * 768);
    CHECK(json.at("memory_per_token").at("values") == 12 * 2 * 768);
    CHECK(json.at("memory_per_token").at("bytes") == Json{{"fp32", 4 * 12 * 2 * 768}, {"bf16", 2 * 12 * 2 * 768}});
    CHECK(json.at("context") == 100);
    CHECK(json.at("memory").at("full") ==
          Json{{"layers", 12}, {"values_per_token", 12 * 2 * 768}, {"fixed_values", 0}});
    CHECK(json.at("memory").at("window").at("layers") == 0);
    CHECK(json.at("memory").at("state").at("layers") == 0);
    CHECK(json.at("memory").at("bytes").at("bf16") == 2 * 100 * 12 * 2 * 768);
    const double bytes = json.at("bytes_read").at("thought").at("bf16").get<double>();
    CHECK(json.at("time_floor_ms").at("thought").at("bf16").get<double>() == doctest::Approx(bytes / 25e9 * 1e3));
  }
}

TEST_CASE("inspect --json: DeepSeek-V3 as published, in fp8, which no build here would run") {
  const auto config = std::filesystem::path(TACIT_SOURCE_DIR) / "tests/lib/configs/deepseek-v3.json";
  const Finished result = run_tacit({"inspect", config.string(), "--json"});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out), &parameters = json.at("parameters");
  CHECK(parameters.at("total") == 671'026'419'200);
  CHECK(parameters.at("active_per_token") == 671'026'419'200 - int64_t{248} * 58 * 3 * 7168 * 2048);
  CHECK(parameters.at("routed_experts") == int64_t{256} * 58 * 3 * 7168 * 2048);
  CHECK(parameters.at("by_component").at("experts") == parameters.at("routed_experts"));
  CHECK(json.at("memory_per_token").at("values") == 61 * (512 + 64));
  const Finished table = run_tacit({"inspect", config.string()});
  REQUIRE(table.code == 0);
  for (const char* word : {"671,026,419,200", "router", "experts", "shared_experts", "active a token", "256 experts"}) {
    CHECK(holds(table.out, word));
  }
}

TEST_CASE("inspect: a model that reads its input at once has no price of a token or a thought") {
  const ScratchFolder scratch;
  put(scratch / "config.json", trm_json().dump());
  const Finished json = run_tacit({"inspect", scratch.path(), "--json"});
  CAPTURE(json.err);
  REQUIRE(json.code == 0);
  CHECK(Json::parse(json.out).at("flops").size() == 1);
  CHECK_FALSE(Json::parse(json.out).contains("bytes_read"));
  const Finished table = run_tacit({"inspect", scratch.path()});
  CHECK(holds(table.out, "memory           none: the input is read at once"));
  CHECK_FALSE(holds(table.out, "thought"));
  CHECK_FALSE(holds(table.out, "generated"));
  const Finished useless = run_tacit({"inspect", scratch.path(), "--bandwidth", "25"});
  CHECK(useless.code == 2);
  CHECK(holds(useless.err, "'--bandwidth' only with models that go on"));
}

TEST_CASE("inspect: one is one, runs of a layer are not layers, and no context is longer than the model's positions") {
  const ScratchFolder scratch;
  put(scratch / "config.json", universal_json({{"num_hidden_layers", 1}}).dump());
  const Finished table = run_tacit({"inspect", scratch.path(), "--context", "64"});
  CAPTURE(table.err);
  REQUIRE(table.code == 0);
  CHECK(holds(table.out, ", 1 layer of width 16, "));
  CHECK(holds(table.out, " 3 layer runs "));
  CHECK(holds(table.out, "with 64 tokens of context:"));
  const Finished longer = run_tacit({"inspect", scratch.path(), "--context", "65"});
  CHECK(longer.code == 2);
  CHECK(holds(longer.err, "expected a --context of at most 64 (the model's positions) but got 65"));
}

TEST_CASE("inspect: the table names every component") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  const Finished result = run_tacit({"inspect", scratch / "plain"});
  REQUIRE(result.code == 0);
  for (const char* word : {"parameters", "embedding", "attention", "mlp", "norms", "unembedding", "a thought"}) {
    CHECK(holds(result.out, word));
  }
}
