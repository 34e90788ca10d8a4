#include <doctest/doctest.h>

#include "tests/apps/checkpoint.h"

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
    const double bytes = json.at("bytes_read").at("thought").at("bf16").get<double>();
    CHECK(json.at("time_floor_ms").at("thought").at("bf16").get<double>() == doctest::Approx(bytes / 25e9 * 1e3));
  }
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
