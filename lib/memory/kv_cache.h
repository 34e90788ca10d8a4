#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/memory/memory.h"

namespace tacit {

struct KvCacheShape {
  int64_t layers = 0, kv_heads = 0, head_size = 0;
  int64_t rows = 0;
  int64_t capacity = 0;  // tokens a row
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
};

// Full key/value memory, allocated once. Rows are ragged: each has its own length, stored from column 0.
// Not differentiable; written in place.
class KvCache : public Memory {
 public:
  explicit KvCache(const KvCacheShape& shape);

  // Opens a segment of `width` columns of which row b uses the first counts[b] (0 .. width). Fails with `operation`
  // when a row would outgrow the capacity, changing nothing.  -> position of every column [B, width], int64
  at::Tensor open(std::span<const int64_t> counts, int64_t width, std::string_view operation);
  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override;
  // Ends the segment: the rows have grown by their counts.
  void close();

  const std::vector<int64_t>& lengths() const { return lengths_; }
  const KvCacheShape& shape() const { return shape_; }
  int64_t bytes() const;  // allocated, all rows

  // A copy holding the given rows (any order, repeats allowed).
  KvCache fork(std::span<const int64_t> rows) const;

 private:
  at::Tensor smear_segment(int64_t layer, const at::Tensor& k_BGTE, const at::Tensor& smear_G);

  KvCacheShape shape_;
  std::vector<int64_t> lengths_, counts_;
  // One column more than the capacity: padding writes there and nobody reads it.
  at::Tensor k_LBGCE_, v_LBGCE_;
  at::Tensor last_LBG1E_;  // every row's last key before smearing, zero before the first
  // The open segment.
  at::Tensor row_N_, slot_N_, mask_B1TS_;
  at::Tensor count_B_;       // columns of each row
  bool contiguous_ = false;  // every row writes the same columns
  int64_t begin_ = 0, stored_ = 0;
};

}  // namespace tacit
