#include "lib/model/accounting.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/model/memory_layout.h"
#include "lib/model/slots.h"
#include "lib/model/transformer.h"

namespace tacit {
namespace {

int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  require(a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &product), "account",
          "expected sizes whose product fits 63 bits but got ", a, " x ", b);
  return product;
}

int64_t plus(int64_t a, int64_t b) {
  int64_t sum = 0;
  require(!__builtin_add_overflow(a, b, &sum), "account", "expected sizes whose sum fits 63 bits but got ", a, " + ",
          b);
  return sum;
}

int64_t elements(const WeightSlot& slot) {
  int64_t product = 1;
  for (int64_t size : slot.shape) product = times(product, size);
  return product;
}

// "layers.3.query.weight" -> layer 3, "query.weight"; layer -1 outside of the blocks.
std::pair<int64_t, std::string> place(const std::string& name) {
  const std::string start = "layers.";
  if (!name.starts_with(start)) return {-1, name};
  const size_t dot = name.find('.', start.size());
  return {std::stoll(name.substr(start.size(), dot - start.size())), name.substr(dot + 1)};
}

std::string component(const std::string& name) {
  const std::string part = name.substr(0, name.find('.'));
  if (part == "query" || part == "key" || part == "value" || part == "out" || part == "smear") return "attention";
  if (part == "gate" || part == "up" || part == "down") return "mlp";
  if (part.ends_with("norm")) return "norms";
  return part;  // embedding, positions, unembedding
}

// How often a block runs for one position: more than once where the model thinks in depth.
int64_t runs(const ModelConfig& c, int64_t layer) {
  const int64_t recurrences = c.depth.recurrences;
  if (c.nested.high_cycles > 0) return times(recurrences, times(c.nested.high_cycles, plus(c.nested.low_cycles, 1)));
  return layer >= c.depth.prelude && layer < c.layers - c.depth.coda ? recurrences : 1;
}

bool is_table(const std::string& name) {
  return name == slots::embedding || name == slots::positions || name == slots::unembedding;
}

}  // namespace

Account account(const ModelConfig& config) {
  Account result;
  result.by_layer.assign(config.layers, 0);
  for (const WeightSlot& slot : weight_slots(config)) {
    const int64_t count = elements(slot);
    const auto [layer, name] = place(slot.name);
    const std::string part = component(name);
    const auto entry = std::find_if(result.by_component.begin(), result.by_component.end(),
                                    [&](const auto& known) { return known.first == part; });
    if (entry == result.by_component.end()) {
      result.by_component.emplace_back(part, count);
    } else {
      entry->second = plus(entry->second, count);
    }
    if (layer >= 0) result.by_layer[layer] = plus(result.by_layer[layer], count);
    result.parameters = plus(result.parameters, count);
  }
  result.active_per_token = result.parameters;
  for (const MemoryLayer& layer : memory_layout(config)) {
    result.memory_values_per_token = plus(result.memory_values_per_token, layer.values_per_token());
    result.memory_fixed_values = plus(result.memory_fixed_values, layer.fixed_values());
  }
  return result;
}

StepCost thought_cost(const ModelConfig& config, int64_t context) {
  StepCost cost;
  for (const WeightSlot& slot : weight_slots(config)) {
    if (is_table(slot.name)) continue;
    const auto [layer, part] = place(slot.name);
    const int64_t uses = layer >= 0 ? runs(config, layer) : part == "adapter.weight" ? config.depth.recurrences : 1;
    const int64_t count = times(elements(slot), uses);
    cost.weights_read = plus(cost.weights_read, count);
    if (slot.shape.size() == 2) cost.flops = plus(cost.flops, times(2, count));
  }
  if (config.position == PositionKind::learned) cost.weights_read = plus(cost.weights_read, config.hidden_size);
  // Query times key and weights times values, two operations each.
  const int64_t attended = times(times(config.heads, config.head_size), context);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    cost.flops = plus(cost.flops, times(4, times(runs(config, layer), attended)));
  }
  cost.memory_read = times(account(config).memory_values_per_token, context);
  return cost;
}

StepCost token_cost(const ModelConfig& config, int64_t context) {
  StepCost cost = thought_cost(config, context);
  const int64_t table = times(config.vocab_size, config.hidden_size);
  cost.flops = plus(cost.flops, times(2, table));
  cost.weights_read = plus(cost.weights_read, plus(table, config.tied_embeddings ? 0 : config.hidden_size));
  return cost;
}

int64_t prompt_flops_per_token(const ModelConfig& config, int64_t tokens) {
  const int64_t at_first = thought_cost(config, 1).flops, at_last = thought_cost(config, tokens).flops;
  return at_first + (at_last - at_first) / 2;  // linear in the context
}

ModelConfig read_shapes(const Json& config, const std::string& source) {
  Json shapes = config;
  if (shapes.is_object()) {
    for (const char* field : {"quantization_config", "rope_scaling", "rope_parameters", "hidden_act",
                              "activation_function", "scale_attn_weights", "scale_attn_by_inverse_layer_idx"}) {
      shapes.erase(field);
    }
  }
  ModelConfig result = model_config_from_json(shapes, source);
  result.raw = config;
  return result;
}

}  // namespace tacit
