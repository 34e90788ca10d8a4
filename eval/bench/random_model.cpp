#include "eval/bench/random_model.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <numbers>

#include "lib/kernels/team.h"
#include "lib/model/slots.h"
#include "lib/model/state_layer_starts.h"

namespace tacit {
namespace {

constexpr double kTableDeviation = 0.02;
constexpr int64_t kGrain = 1 << 16;

// splitmix64 [Steele, Lea & Flood, OOPSLA 2014]: a number that looks random for every count.
uint64_t mixed(uint64_t count) {
  uint64_t z = (count + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

at::Tensor uniform(at::IntArrayRef shape, double deviation, uint64_t stream) {
  const at::Tensor out = at::empty(shape, at::kFloat);
  float* values = out.mutable_data_ptr<float>();
  const float width = static_cast<float>(2 * std::numbers::sqrt3 * deviation);
  parallel_parts(0, out.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t drawn = mixed(stream + static_cast<uint64_t>(i)) >> 40;  // 24 bits, which a float holds
      values[i] = (static_cast<float>(drawn) * 0x1p-24f - 0.5f) * width;
    }
  });
  return out;
}

bool is_table(const std::string& name) {
  return name == slots::embedding || name == slots::positions || name == slots::unembedding;
}

}  // namespace

std::shared_ptr<const Transformer> random_model(const ModelConfig& config, at::ScalarType dtype, at::Device device,
                                                uint64_t seed) {
  std::map<std::string, at::Tensor> weights;
  uint64_t stream = mixed(seed);
  for (const auto& [name, shape] : weight_slots(config)) {
    at::Tensor& weight = weights[name];
    if (name.find("norm.weight") != std::string::npos) {
      weight = at::ones(shape, at::kFloat);
    } else if (shape.size() < 2) {
      weight = at::zeros(shape, at::kFloat);
    } else {
      const double deviation = is_table(name) ? kTableDeviation : 1 / std::sqrt(static_cast<double>(shape.back()));
      weight = uniform(shape, deviation, stream);
    }
    stream += static_cast<uint64_t>(weight.numel());
  }
  start_state_layers(config, weights);
  for (auto& [name, weight] : weights) weight = weight.to(device, slots::kept_in_fp32(name) ? at::kFloat : dtype);
  return std::make_shared<const Transformer>(config, std::move(weights));
}

}  // namespace tacit
