#include "lib/memory/layout.h"

namespace tacit {

static int64_t values_kept(const MemoryLayer& layer) {
  return layer.kv_heads * (layer.key_size + (layer.values_in_keys ? 0 : layer.value_size));
}

int64_t MemoryLayer::values_per_token() const { return kind == Kind::full ? values_kept(*this) : 0; }

int64_t MemoryLayer::fixed_values() const {
  if (kind == Kind::window) return window * values_kept(*this);
  int64_t values = 0;
  for (const auto& shape : states) {
    int64_t product = 1;
    for (const int64_t size : shape) product *= size;
    values += product;
  }
  return values;
}

}  // namespace tacit
