#include "lib/model/state_layer_starts.h"

#include <cmath>

namespace tacit {
namespace {

// Number i of D channels, in one of L blocks.
struct Channel {
  double place;    // i / D
  double share;    // i / (D - 1)
  double in_head;  // -1..1 over its head's channels, by a square law
  double depth;    // block / (L - 1)
  double ahead;    // 1 - block / L
};

double share_of(int64_t i, int64_t count) {
  return count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 0;
}

Channel channel(const ModelConfig& c, int64_t layer, int64_t i, int64_t channels) {
  const double in_head = 2 * share_of(i % c.head_size, c.head_size) - 1;
  return {.place = static_cast<double>(i) / static_cast<double>(channels),
          .share = share_of(i, channels),
          .in_head = in_head * std::abs(in_head),
          .depth = share_of(layer, c.layers),
          .ahead = 1 - static_cast<double>(layer) / static_cast<double>(c.layers)};
}

double shift(const Channel& c, double power) { return 1 - std::pow(c.place, power * c.ahead); }

double inverse_softplus(double y) { return std::log(std::expm1(y)); }

using Start = double (*)(const ModelConfig& config, const Channel& channel, int64_t i);

// By a weight's name within its block.
const std::map<std::string, Start> starts = {
    {"time_mix.receptance_shift", [](auto&, const Channel& c, int64_t) { return shift(c, 0.2); }},
    {"time_mix.decay_shift", [](auto&, const Channel& c, int64_t) { return shift(c, 0.9); }},
    {"time_mix.key_shift", [](auto&, const Channel& c, int64_t) { return shift(c, 0.7); }},
    {"time_mix.value_shift", [](auto&, const Channel& c, int64_t) { return shift(c, 0.7); }},
    {"time_mix.rate_shift", [](auto&, const Channel& c, int64_t) { return shift(c, 0.9); }},
    {"time_mix.gate_shift", [](auto&, const Channel& c, int64_t) { return shift(c, 0.2); }},
    {"channel_mix.shift", [](auto&, const Channel& c, int64_t) { return 1 - std::pow(c.place, std::pow(c.ahead, 4)); }},
    {"time_mix.decay_lora_b.bias",
     [](auto&, const Channel& c, int64_t) {
       return -5.5 + 6 * std::pow(c.share, 1 + std::pow(c.depth, 0.3)) + 2.5 * c.in_head;
     }},
    {"time_mix.rate_lora_b.bias",
     [](auto&, const Channel& c, int64_t) { return -0.19 + 0.3 * c.in_head + 0.4 * (c.share - 0.5); }},
    {"time_mix.value_mix_lora_b.bias", [](auto&, const Channel& c, int64_t) { return 0.73 - 0.4 * (c.share - 0.5); }},
    {"time_mix.removal", [](auto&, const Channel& c, int64_t) { return 0.71 - 0.1 * (c.share - 0.5); }},
    {"time_mix.replacement", [](auto&, const Channel&, int64_t) { return 1.02; }},
    {"time_mix.bonus", [](auto&, const Channel&, int64_t) { return -0.04; }},
    {"decay.bias", [](const ModelConfig& c, const Channel&,
                      int64_t head) { return inverse_softplus(0.5 * std::pow(0.01, share_of(head, c.heads))); }},
    {"levels.bias", [](auto&, const Channel&, int64_t) { return inverse_softplus(1); }},
};

bool starts_small(const std::string& name) {
  return name == "time_mix.decay_lora_b.weight" || name == "time_mix.rate_lora_b.weight" ||
         name == "time_mix.value_mix_lora_b.weight" || name == "decay.weight" || name == "levels.weight";
}

}  // namespace

void start_state_layers(const ModelConfig& config, std::map<std::string, at::Tensor>& weights) {
  const std::string layers = "layers.";
  for (auto& [slot, weight] : weights) {
    if (!slot.starts_with(layers)) continue;
    const size_t dot = slot.find('.', layers.size());
    const int64_t layer = std::stoll(slot.substr(layers.size(), dot - layers.size()));
    const std::string name = slot.substr(dot + 1);
    if (starts_small(name)) weight.mul_(0.1);
    const auto start = starts.find(name);
    if (start == starts.end()) continue;
    float* values = weight.mutable_data_ptr<float>();
    for (int64_t i = 0; i < weight.numel(); ++i) {
      values[i] = static_cast<float>(start->second(config, channel(config, layer, i, weight.numel()), i));
    }
  }
}

}  // namespace tacit
