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
  }
  return out;
}

MemoryLayout memory_layout(const ModelConfig& c, int64_t recurrences) {
  const int64_t coda = c.layers - c.depth.coda;
  MemoryLayout out;
  for (int64_t i = 0; i < c.depth.prelude; ++i) out.push_back(layer_memory(c, i));
  for (int64_t r = 0; r < (recurrences > 0 ? recurrences : c.depth.recurrences); ++r) {
    for (int64_t i = c.depth.prelude; i < coda; ++i) out.push_back(layer_memory(c, i));
  }
  for (int64_t i = coda; i < c.layers; ++i) out.push_back(layer_memory(c, i));
  return out;
}

}  // namespace tacit
