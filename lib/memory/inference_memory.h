#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lib/memory/memory.h"
#include "lib/memory/stored_layer.h"

namespace tacit {

struct InferenceMemoryShape {
  MemoryLayout layout;
  int64_t rows = 0;
  int64_t capacity = 0;  // tokens a row
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
};

// The memory of sequences that run without gradients: allocated once, written in place. Rows are ragged: each has its
// own length. What each layer keeps is its layout's choice.
class InferenceMemory : public Memory {
 public:
  explicit InferenceMemory(const InferenceMemoryShape& shape);

  // Opens a segment of `width` columns of which row b uses the first counts[b] (0 .. width). Fails with `operation`
  // when a row would outgrow the capacity, changing nothing.  -> position of every column [B, width], int64
  at::Tensor open(std::span<const int64_t> counts, int64_t width, std::string_view operation);
  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override;
  at::Tensor state(int64_t layer, int64_t which) const override;
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override;
  at::Tensor state_in_place(int64_t layer, int64_t which) override { return state(layer, which); }
  at::Tensor real_BT() const override { return segment_.real_BT; }
  // The last column of the open segment that each row uses, the first of rows that use none: for Transformer::forward,
  // whose last block then looks for these columns alone.  -> int64 [1] where it is one of all rows, else [B, 1]
  at::Tensor last() const;
  // Ends the segment: the rows have grown by their counts.
  void close();

  // For a kernel that writes keys and values itself: where they are (undefined unless the layer keeps them all),
  // whether the rows may grow by `counts`, and that they have.
  StoredKeys stored_keys(int64_t layer) const { return layers_[layer]->stored_keys(); }
  void require_room(std::span<const int64_t> counts, std::string_view operation) const;
  void grow(std::span<const int64_t> counts);

  const std::vector<int64_t>& lengths() const { return lengths_; }
  const InferenceMemoryShape& shape() const { return shape_; }
  int64_t bytes() const;  // allocated, all rows
  int64_t bytes_per_row() const { return bytes() / shape_.rows; }

  // A copy holding the given rows (any order, repeats allowed).
  InferenceMemory fork(std::span<const int64_t> rows) const;
  // Row `row` becomes a copy of row `from_row` of a memory of the same layout, capacity and dtype.
  void adopt(int64_t row, const InferenceMemory& from, int64_t from_row, std::string_view operation);
  // Row b forgets all but its first lengths[b] tokens. Fails, changing nothing, where a layer cannot: a state, a window
  // that has moved on, smeared keys.
  void truncate(std::span<const int64_t> lengths, std::string_view operation);

 private:
  InferenceMemoryShape shape_;
  std::vector<int64_t> lengths_;
  std::vector<std::unique_ptr<StoredLayer>> layers_;
  Segment segment_;
};

}  // namespace tacit
