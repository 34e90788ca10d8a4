#include "lib/model/memory_layout.h"

namespace tacit {

static MemoryLayer layer_memory(const ModelConfig& c, int64_t number) {
  const LayerConfig layer = c.layer(number);
  MemoryLayer out;
  switch (layer.mixer) {
    case MixerKind::attention:
      out.kind = layer.window > 0 ? MemoryLayer::Kind::window : MemoryLayer::Kind::full;
      out.kv_heads = c.kv_heads;
      out.key_size = out.value_size = c.head_size;
      out.smeared = c.smeared_keys;
      out.window = layer.window;
      break;
    case MixerKind::latent_attention:
      out.kv_heads = 1;
      out.key_size = c.latent_attention.kv_rank + c.latent_attention.rotated_size;
      out.value_size = c.latent_attention.kv_rank;
      out.values_in_keys = true;
      break;
    case MixerKind::rwkv7:
      out.kind = MemoryLayer::Kind::state;
      out.states = {{c.hidden_size}, {c.heads, c.head_size, c.head_size}};  // the last input; the state
      break;
    case MixerKind::log_linear:
      out.kind = MemoryLayer::Kind::state;
      out.states = {{c.log_linear_levels, c.heads, c.head_size, c.head_size}};
      break;
  }
  if (layer.feed_forward == FeedForwardKind::rwkv7) out.states.push_back({c.hidden_size});  // its last input
  return out;
}

MemoryLayout memory_layout(const ModelConfig& c, int64_t recurrences, const DepthExit& exit) {
  if (c.nested.high_cycles > 0) return {};  // a grid is read at once
  const int64_t coda = c.layers - c.depth.coda, times = recurrences > 0 ? recurrences : c.depth.recurrences;
  MemoryLayout out;
  const auto add = [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) out.push_back(layer_memory(c, i));
  };
  add(0, c.depth.prelude);
  for (int64_t r = 0; r < times; ++r) {
    add(c.depth.prelude, coda);
    if (r + 1 == times || leaves_early(c, exit)) add(coda, c.layers);
  }
  return out;
}

}  // namespace tacit
