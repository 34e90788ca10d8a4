#pragma once

#include <cstdint>
#include <vector>

namespace tacit {

// What one layer keeps of a sequence. Its size a row is O(T), O(window), or fixed.
struct MemoryLayer {
  enum class Kind {
    full,    // every key and value
    window,  // those of the last `window` positions, the query's own included
    state,   // tensors of fixed size, rewritten at every position
  };
  Kind kind = Kind::full;
  // full and window
  int64_t kv_heads = 0, key_size = 0, value_size = 0;
  bool values_in_keys = false;  // values are the first value_size dimensions of the keys and stored once [MLA,
                                // DeepSeek-V2, arXiv:2405.04434]
  bool smeared = false;         // keys are smeared (lib/memory/attention.h)
  int64_t window = 0;
  // state: the tensors' shapes for one row, kept in fp32
  std::vector<std::vector<int64_t>> states;

  // Values stored a token (full), or altogether (window and state), by row.
  int64_t values_per_token() const;
  int64_t fixed_values() const;
};

using MemoryLayout = std::vector<MemoryLayer>;  // by layer

}  // namespace tacit
