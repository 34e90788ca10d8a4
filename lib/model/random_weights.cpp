#include <cmath>

#include "lib/core/rng.h"
#include "lib/model/slots.h"
#include "lib/model/state_layer_starts.h"
#include "lib/model/transformer.h"

namespace tacit {
namespace {

constexpr double embedding_deviation = 0.02;

at::Tensor normal(at::IntArrayRef shape, double deviation, Rng& rng) {
  at::Tensor out = at::empty(shape, at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) values[i] = static_cast<float>(rng.normal() * deviation);
  return out;
}

double deviation_of(const std::string& name, const std::vector<int64_t>& shape, const ModelConfig& config) {
  const DepthConfig& depth = config.depth;
  const bool grid = config.nested.high_cycles > 0;
  if (name == slots::embedding || name == slots::positions || name == slots::unembedding) {
    return grid || depth.injected ? 1 / config.embedding_scale : embedding_deviation;
  }
  if (name == "high_start" || name == "low_start") return 1;
  if (grid && name == "exit_gate.weight") return 0;
  const double fan_in = 1 / std::sqrt(static_cast<double>(shape.back()));
  const bool writes_to_residual = name.ends_with(".out.weight") || name.ends_with(".down.weight");
  if (!writes_to_residual || config.residual == Residual::post) return fan_in;
  const int64_t once = depth.prelude + depth.coda, runs = once + (config.layers - once) * depth.recurrences;
  return fan_in / std::sqrt(2.0 * static_cast<double>(runs));
}

// Vectors that are neither norms nor biases.
bool is_random(const WeightSlot& slot) {
  return slot.shape.size() > 1 || slot.name == "high_start" || slot.name == "low_start";
}

// Keys equal to twice the queries (of a group's first head): a head starts by attending to what resembles the query,
// sharply enough to pick it out of a hundred tokens. Smeared heads alternate between the token itself and the one after
// it (logistic of -3 and 3).
void match_attention(const ModelConfig& config, std::map<std::string, at::Tensor>& weights) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (config.layer(layer).mixer != MixerKind::attention) continue;
    const at::Tensor query_HED = weights[slots::in_layer(layer, "query.weight")].unflatten(0, {config.heads, -1});
    const at::Tensor first_of_group_GED = query_HED.slice(0, 0, config.heads, config.heads / config.kv_heads);
    weights[slots::in_layer(layer, "key.weight")] = (first_of_group_GED * 2).flatten(0, 1);
    if (!config.smeared_keys) continue;
    at::Tensor& smear = weights[slots::in_layer(layer, "smear")];
    for (int64_t g = 0; g < config.kv_heads; ++g) smear[g] = g % 2 == 0 ? 3.0f : -3.0f;
  }
}

}  // namespace

std::map<std::string, at::Tensor> random_weights(const ModelConfig& config, uint64_t seed, bool matched_attention) {
  std::map<std::string, at::Tensor> weights;
  uint64_t stream = 0;
  for (const WeightSlot& slot : weight_slots(config)) {
    Rng rng(seed, stream++);
    const bool norm = slot.name.find("norm.weight") != std::string::npos;
    if (norm) {
      weights[slot.name] = at::ones(slot.shape, at::kFloat);
    } else if (is_random(slot)) {
      weights[slot.name] = normal(slot.shape, deviation_of(slot.name, slot.shape, config), rng);
    } else {
      weights[slot.name] = at::zeros(slot.shape, at::kFloat);  // biases, corrections; smear 0 is an even mix
    }
  }
  start_state_layers(config, weights);
  if (config.nested.high_cycles > 0) weights["exit_gate.bias"].fill_(-5);
  if (matched_attention) match_attention(config, weights);
  return weights;
}

std::shared_ptr<Transformer> trainable_copy(const Transformer& model) {
  std::map<std::string, at::Tensor> leaves;
  for (const auto& [name, weight] : model.weights()) {
    leaves[name] =
        weight.detach().to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous().requires_grad_(true);
  }
  return std::make_shared<Transformer>(model.config(), std::move(leaves));
}

}  // namespace tacit
