#include <doctest/doctest.h>

#include <cmath>

#include "lib/model/checkpoint.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

const std::filesystem::path fixture = std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures/deepseek_v3";

// The fixture with another config and one tensor more.
void write_with(const std::filesystem::path& folder, const Json& config, const std::string& extra) {
  const Safetensors file = read_safetensors(fixture / "model.safetensors");
  const std::vector<float> values(6, 1);
  std::map<std::string, TensorToWrite> out;
  for (const auto& [name, view] : file.tensors) out[name] = {view.type, view.shape, view.bytes};
  out[extra] = {ElementType::F32, {2, 3}, std::as_bytes(std::span(values))};
  write_safetensors(folder / "model.safetensors", out);
  put(folder / "config.json", config.dump());
}

}  // namespace

TEST_CASE("DeepSeek's blocks that predict further tokens are passed over where the config names them") {
  const ScratchFolder scratch;
  Json config = read_json(fixture / "config.json", "test");
  config["num_nextn_predict_layers"] = 1;
  const int64_t layers = config["num_hidden_layers"];
  const std::string next = "model.layers." + std::to_string(layers) + ".eh_proj.weight",
                    after = "model.layers." + std::to_string(layers + 1) + ".eh_proj.weight";
  write_with(scratch.path(), config, next);
  CHECK(error_of([&] { load_model(scratch.path()); }) == "");
  write_with(scratch.path(), config, after);
  CHECK(holds(error_of([&] { load_model(scratch.path()); }), "1 unexpected ('" + after + "')"));
  config.erase("num_nextn_predict_layers");
  write_with(scratch.path(), config, next);
  CHECK(holds(error_of([&] { load_model(scratch.path()); }), "1 unexpected ('" + next + "')"));
}

TEST_CASE("the correction of the router's choice keeps its 32 bits in a bf16 model, and in its file") {
  const auto model = load_model(fixture, {.dtype = at::kBFloat16});
  CHECK((model->dtype() == at::kBFloat16));
  for (const auto& [name, weight] : model->weights()) {
    CAPTURE(name);
    const bool correction = name == "layers.1.router.correction" || name == "layers.2.router.correction";
    CHECK((weight.scalar_type() == (correction ? at::kFloat : at::kBFloat16)));
  }
  const ScratchFolder scratch;
  save_model(scratch.path(), *model, model->config().raw);
  const Safetensors file = read_safetensors(scratch / "model.safetensors");
  CHECK((file.tensors.at("model.layers.1.mlp.gate.e_score_correction_bias").type == ElementType::F32));
  CHECK((file.tensors.at("model.layers.1.mlp.gate.weight").type == ElementType::BF16));
}

TEST_CASE("fresh weights of experts and latent attention: no correction, small where the residual stream is written") {
  Json json = read_json(fixture / "config.json", "test");
  json.update({{"hidden_size", 64}, {"moe_intermediate_size", 64}, {"kv_lora_rank", 64}});
  const ModelConfig config = model_config_from_json(json, "test");
  const auto weights = random_weights(config, 7, /*matched_attention=*/true);
  const double residual = 1 / std::sqrt(2.0 * static_cast<double>(config.layers));
  const auto deviation = [&](const std::string& name) {
    return weights.at("layers.1." + name + ".weight").std().item<double>() * 8;  // 1 where the fan-in is 64
  };
  for (const char* name : {"experts.7.gate", "experts.7.up", "shared.up", "router", "kv_down", "kv_up"}) {
    CAPTURE(name);
    CHECK(deviation(name) == doctest::Approx(1).epsilon(0.1));
  }
  for (const char* name : {"experts.7.down", "shared.down"}) {
    CAPTURE(name);
    CHECK(deviation(name) == doctest::Approx(residual).epsilon(0.1));
  }
  CHECK(weights.at("layers.1.router.correction").abs().max().item<float>() == 0);
  CHECK(at::equal(weights.at("layers.1.kv_norm.weight"), at::ones({64})));
  CHECK_NOTHROW(Transformer(config, weights));
}
