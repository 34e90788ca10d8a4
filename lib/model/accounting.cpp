#include "lib/model/accounting.h"

#include <algorithm>
#include <set>

#include "lib/core/error.h"
#include "lib/model/memory_layout.h"
#include "lib/model/slots.h"
#include "lib/model/sublayer.h"
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

int64_t product(const std::vector<int64_t>& shape) {
  int64_t out = 1;
  for (const int64_t size : shape) out = times(out, size);
  return out;
}

const char* mixer_component(MixerKind kind) {
  switch (kind) {
    case MixerKind::attention:
    case MixerKind::latent_attention: return "attention";
    case MixerKind::rwkv7: return "time_mix";
    case MixerKind::log_linear: return "log_linear";
  }
  return "";
}

// `part`: the first part of a weight's name within the block.
const char* feed_forward_component(FeedForwardKind kind, const std::string& part) {
  switch (kind) {
    case FeedForwardKind::mlp: return "mlp";
    case FeedForwardKind::experts: return part == "router" ? "router" : part == "shared" ? "shared_experts" : "experts";
    case FeedForwardKind::rwkv7: return "channel_mix";
  }
  return "";
}

bool is_table(const std::string& name) {
  return name == slots::embedding || name == slots::positions || name == slots::unembedding;
}

// A weight and where it stands.
struct Entry {
  std::string component;
  int64_t layer = -1;  // -1: outside of the blocks
  int64_t elements = 0;
  int64_t runs = 1;     // how often a step reads it
  bool matrix = false;  // multiplied with a vector a run
  bool table = false;   // embedding, positions, unembedding
  bool routed = false;  // of an expert that a router chooses or not
  bool active = true;   // false: of an expert beyond the number that is chosen
};

// How often a step runs block number `layer`, or what stands between recurrences (layer -1).
int64_t runs(const ModelConfig& c, int64_t layer) {
  const bool once = layer >= 0 && (layer < c.depth.prelude || layer >= c.layers - c.depth.coda);
  if (once) return 1;
  return times(c.depth.recurrences,
               c.nested.high_cycles > 0 ? times(c.nested.high_cycles, c.nested.low_cycles + 1) : 1);
}

int64_t runs_outside(const ModelConfig& c, const std::string& part) {
  if (part == "final_norm") {
    if (c.depth.norm_between) return c.depth.recurrences;
    return c.depth.injected ? 2 : 1;  // also after the last recurrence, before the coda
  }
  return part == "embedding_norm" ? 1 : runs(c, -1);
}

class Entries {
 public:
  explicit Entries(const ModelConfig& config) : c_(config) {
    for (int64_t layer = 0; layer < c_.layers; ++layer) {
      std::set<std::string> names;
      make_mixer(c_, layer, [&](const std::string& name, const std::vector<int64_t>&) {
        names.insert(name);
        return at::Tensor();
      });
      of_mixer_.push_back(std::move(names));
    }
  }

  std::vector<Entry> list() const {
    std::vector<Entry> out;
    for (const WeightSlot& slot : weight_slots(c_)) out.push_back(entry(slot));
    return out;
  }

 private:
  Entry entry(const WeightSlot& slot) const {
    Entry e{.elements = product(slot.shape), .matrix = slot.shape.size() == 2, .table = is_table(slot.name)};
    std::string name = slot.name;
    const std::string start = "layers.";
    if (name.starts_with(start)) {
      const size_t dot = name.find('.', start.size());
      e.layer = std::stoll(name.substr(start.size(), dot - start.size()));
      name = name.substr(dot + 1);
    }
    const std::string part = name.substr(0, name.find('.'));
    if (part.ends_with("norm")) {
      e.component = "norms";
    } else if (e.layer < 0) {
      e.component = part;
    } else if (of_mixer_[e.layer].contains(name)) {
      e.component = mixer_component(c_.layer(e.layer).mixer);
    } else {
      e.component = feed_forward_component(c_.layer(e.layer).feed_forward, part);
    }
    e.routed = e.component == "experts";
    // Experts are of one size, so that any `chosen` of them stand for those that a token takes.
    if (e.routed) e.active = std::stoll(name.substr(part.size() + 1)) < c_.experts.chosen;
    e.runs = e.table ? 1 : e.layer < 0 ? runs_outside(c_, part) : runs(c_, e.layer);
    return e;
  }

  const ModelConfig& c_;
  std::vector<std::set<std::string>> of_mixer_;  // by layer: the names that its mixer asks for
};

// What block number i looks at, without recurrences. A grid is read at once: its blocks look at one another's positions
// and store nothing.
MemoryLayout memory_of_blocks(const ModelConfig& c) {
  if (c.nested.high_cycles == 0) return memory_layout(c, 1);
  return MemoryLayout(c.layers, {.kv_heads = 0, .key_size = c.head_size, .value_size = c.head_size});
}

int64_t values_of_a_token(const MemoryLayer& layer) {
  return times(layer.kv_heads, layer.key_size + (layer.values_in_keys ? 0 : layer.value_size));
}

// Positions that a step with `context` of them looks at.
int64_t attended(const MemoryLayer& layer, int64_t context) {
  return layer.kind == MemoryLayer::Kind::window ? std::min(context, layer.window) : context;
}

// For each position looked at: query times key and weight times value, for every head. Latent attention in its absorbed
// form, among the latents.
int64_t flops_a_position(const ModelConfig& c, const MemoryLayer& layer) {
  if (layer.kind == MemoryLayer::Kind::state) return 0;
  return times(2 * c.heads, layer.key_size + layer.value_size);
}

// Of a state [H, E, E], a step. RWKV-7: decay (1 a value), what the in-context rate removes (2 to find it, 2 to
// subtract it), the new value (2), the readout (2). Log-linear: decay and readout of every level (1 + 2), the new value
// (2) and a merge (1).
int64_t state_flops(const ModelConfig& c, MixerKind mixer) {
  const int64_t values = times(c.heads, times(c.head_size, c.head_size));
  if (mixer == MixerKind::rwkv7) return times(9, values);
  if (mixer == MixerKind::log_linear) return times(3 + times(3, c.log_linear_levels), values);
  return 0;
}

int64_t state_values(const MemoryLayer& layer) {
  int64_t out = 0;
  for (const auto& shape : layer.states) out = plus(out, product(shape));
  return out;
}

// All of a step but attention.
StepCost fixed_cost(const ModelConfig& c) {
  StepCost cost;
  for (const Entry& e : Entries(c).list()) {
    if (e.table || !e.active) continue;
    const int64_t read = times(e.runs, e.elements);
    cost.weights_read = plus(cost.weights_read, read);
    if (!e.matrix) continue;
    if (e.layer >= 0) cost.block_matrices_read = plus(cost.block_matrices_read, read);
    cost.flops = plus(cost.flops, times(2, read));
  }
  if (c.position == PositionKind::learned) cost.weights_read = plus(cost.weights_read, c.hidden_size);
  for (int64_t layer = 0; layer < c.layers; ++layer) {
    cost.flops = plus(cost.flops, times(runs(c, layer), state_flops(c, c.layer(layer).mixer)));
  }
  return cost;
}

}  // namespace

Account account(const ModelConfig& config) {
  Account result;
  result.by_layer.assign(config.layers, 0);
  for (const Entry& e : Entries(config).list()) {
    const auto known = std::find_if(result.by_component.begin(), result.by_component.end(),
                                    [&](const auto& part) { return part.first == e.component; });
    if (known == result.by_component.end()) {
      result.by_component.emplace_back(e.component, e.elements);
    } else {
      known->second = plus(known->second, e.elements);
    }
    if (e.layer >= 0) result.by_layer[e.layer] = plus(result.by_layer[e.layer], e.elements);
    if (e.routed) result.routed_experts = plus(result.routed_experts, e.elements);
    if (e.active) result.active_per_token = plus(result.active_per_token, e.elements);
    result.parameters = plus(result.parameters, e.elements);
  }
  using Kind = MemoryLayer::Kind;
  for (const Kind kind : {Kind::full, Kind::window, Kind::state}) result.memory[static_cast<size_t>(kind)].kind = kind;
  for (const MemoryLayer& layer : memory_layout(config)) {
    MemoryAccount& of_kind = result.memory[static_cast<size_t>(layer.kind)];
    ++of_kind.layers;
    of_kind.values_per_token = plus(of_kind.values_per_token, layer.values_per_token());
    of_kind.fixed_values = plus(of_kind.fixed_values, layer.fixed_values());
  }
  for (const MemoryAccount& of_kind : result.memory) {
    result.memory_values_per_token = plus(result.memory_values_per_token, of_kind.values_per_token);
    result.memory_fixed_values = plus(result.memory_fixed_values, of_kind.fixed_values);
  }
  return result;
}

StepCost thought_cost(const ModelConfig& config, int64_t context) {
  StepCost cost = fixed_cost(config);
  const MemoryLayout blocks = memory_of_blocks(config);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const int64_t positions = times(runs(config, layer), attended(blocks[layer], context));
    cost.flops = plus(cost.flops, times(flops_a_position(config, blocks[layer]), positions));
    cost.memory_read = plus(cost.memory_read, times(values_of_a_token(blocks[layer]), positions));
    cost.states_read = plus(cost.states_read, times(runs(config, layer), state_values(blocks[layer])));
  }
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
  require(tokens >= 1, "account", "expected a prompt of at least 1 token but got ", tokens);
  int64_t flops = fixed_cost(config).flops;
  const MemoryLayout blocks = memory_of_blocks(config);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    // Positions that all tokens together look at: 1 + 2 + .. up to the window, then as many each.
    const int64_t most = attended(blocks[layer], tokens);
    const int64_t together =
        config.bidirectional ? times(tokens, most) : plus(times(most, most + 1) / 2, times(tokens - most, most));
    const int64_t each = times(runs(config, layer), flops_a_position(config, blocks[layer]));
    flops = plus(flops, plus(times(each, together / tokens), times(each, together % tokens) / tokens));
  }
  return flops;
}

std::array<int64_t, 3> memory_bytes(const ModelConfig& config, int64_t context, int64_t bytes_per_value) {
  std::array<int64_t, 3> bytes = {};
  for (const MemoryLayer& layer : memory_layout(config)) {
    int64_t& of_kind = bytes[static_cast<size_t>(layer.kind)];
    const int64_t stored = times(values_of_a_token(layer), attended(layer, context));
    of_kind = plus(of_kind, plus(times(bytes_per_value, stored), times(4, state_values(layer))));
  }
  return bytes;
}

ModelConfig read_shapes(const Json& config, const std::string& source) {
  Json shapes = config;
  if (shapes.is_object()) {
    for (const char* field :
         {"quantization_config", "rope_scaling", "rope_parameters", "hidden_act", "activation_function",
          "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "scoring_func"}) {
      shapes.erase(field);
    }
  }
  ModelConfig result = model_config_from_json(shapes, source);
  result.raw = config;
  return result;
}

}  // namespace tacit
