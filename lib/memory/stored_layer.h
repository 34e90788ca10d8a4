#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "lib/memory/attention.h"
#include "lib/memory/layout.h"
#include "lib/memory/memory_arena.h"

namespace tacit {

// The columns that an InferenceMemory has open: row b uses the first counts[b] of `width`, and had stored begins[b]
// tokens before.
struct Segment {
  std::vector<int64_t> begins, counts;
  int64_t width = 0;
  bool uniform = false;     // every row begins at the same position and uses every column
  at::Tensor position_BT;   // int64; padding repeats the row's last position
  at::Tensor count_B;       // int64
  at::Tensor real_BT;       // bool, undefined when every column is used
  int64_t most_stored = 1;  // of any row, the segment included
  at::Tensor causal_B1TS;   // bool [B, 1, T, most_stored]: column s is not after the query

  // The first of `queries` columns that ask: all, or one, the last that each row uses, where padding stands as well.
  // Fails for another number.
  int64_t first_query(int64_t queries) const;
};

// Where a layer has its keys and values, for kernels that read and write them in place.
struct StoredKeys {
  at::Tensor k_BGCE, v_BGCE;  // contiguous; row b holds as many columns as it has tokens
  at::Tensor last_k_BG1E;     // smeared layers: the last key before smearing
};

// One layer's share of an InferenceMemory: all rows, allocated once, written in place.
class StoredLayer {
 public:
  virtual ~StoredLayer() = default;
  virtual at::Tensor attend(const Segment& segment, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE,
                            const at::Tensor& v_BGTE, const AttentionOptions& options);
  virtual at::Tensor state(int64_t which) const;
  virtual void set_state(int64_t which, const at::Tensor& value);
  virtual StoredKeys stored_keys() const {
    return {};
  }  // undefined unless every key and value is kept, in tensors of
     // their own
  // A copy holding these rows, of which none has more than `length` tokens.
  virtual std::unique_ptr<StoredLayer> select(const at::Tensor& row_N, int64_t length, MemoryArena& arena) const = 0;
  // Row `row` becomes a copy of row `from_row` of a layer of the same layout and number of columns, which has `length`
  // tokens.
  virtual void adopt(int64_t row, const StoredLayer& from, int64_t from_row, int64_t length) = 0;
  virtual int64_t bytes() const = 0;
  // Why a row of `length` tokens cannot go back to `kept` of them; nullptr = it can, by forgetting its length alone.
  virtual const char* keeps_from_truncating(int64_t length, int64_t kept) const = 0;
};

// Columns `capacity` (full), or as many as the window has where that is less, of every row. Keys and values come from
// the arena, which is to have as many bytes as all layers' kept_bytes().
std::unique_ptr<StoredLayer> make_stored_layer(const MemoryLayer& layout, int64_t rows, int64_t capacity,
                                               at::TensorOptions options, MemoryArena& arena);
int64_t kept_bytes(const MemoryLayer& layout, int64_t rows, int64_t capacity, at::ScalarType dtype);

}  // namespace tacit
