#include "lib/memory/kv_cache.h"

#include <algorithm>

#include "lib/core/error.h"

namespace tacit {

KvCache::KvCache(const KvCacheShape& shape) : shape_(shape), lengths_(shape.rows, 0), counts_(shape.rows, 0) {
  require(shape.rows > 0 && shape.capacity > 0, "kv_cache", "expected at least one row and one column but got ",
          shape.rows, " rows and capacity ", shape.capacity);
  const auto options = at::TensorOptions().dtype(shape.dtype).device(shape.device);
  const std::vector<int64_t> sizes = {shape.layers, shape.rows, shape.kv_heads, shape.capacity + 1, shape.head_size};
  // Zeros, not garbage: a masked NaN would still poison the product with its zero weight.
  k_LBGCE_ = at::zeros(sizes, options);
  v_LBGCE_ = at::zeros(sizes, options);
  last_LBG1E_ = at::zeros({shape.layers, shape.rows, shape.kv_heads, 1, shape.head_size}, options);
}

at::Tensor KvCache::open(std::span<const int64_t> counts, int64_t width, std::string_view operation) {
  const int64_t rows = shape_.rows;
  require(static_cast<int64_t>(counts.size()) == rows, operation, "expected one count for each of ", rows,
          " rows but got ", counts.size());
  for (int64_t b = 0; b < rows; ++b) {
    require(lengths_[b] + counts[b] <= shape_.capacity, operation, "expected at most ", shape_.capacity - lengths_[b],
            " more tokens in row ", b, " but got ", counts[b], " (capacity ", shape_.capacity, ", stored ", lengths_[b],
            ")");
  }
  counts_.assign(counts.begin(), counts.end());
  std::vector<int64_t> position(rows * width), row(rows * width), slot(rows * width);
  contiguous_ = true;
  stored_ = 0;
  begin_ = rows > 0 ? lengths_[0] : 0;
  for (int64_t b = 0; b < rows; ++b) {
    contiguous_ = contiguous_ && lengths_[b] == begin_ && counts_[b] == width;
    stored_ = std::max(stored_, lengths_[b] + counts_[b]);
    for (int64_t t = 0; t < width; ++t) {
      const int64_t i = b * width + t;
      row[i] = b;
      // Padding takes the position of the row's last token: in range for every position table.
      position[i] = lengths_[b] + std::min(t, std::max<int64_t>(counts_[b] - 1, 0));
      position[i] = std::min(position[i], shape_.capacity - 1);
      slot[i] = t < counts_[b] ? lengths_[b] + t : shape_.capacity;
    }
  }
  stored_ = std::max<int64_t>(stored_, 1);
  const auto on_device = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::kLong).to(shape_.device);
  };
  const at::Tensor position_BT = on_device(position).view({rows, width});
  row_N_ = on_device(row);
  slot_N_ = on_device(slot);
  count_B_ = on_device(counts_);
  const at::Tensor column_S = at::arange(stored_, position_BT.options());
  mask_B1TS_ = (column_S.view({1, 1, 1, -1}) <= position_BT.view({rows, 1, width, 1}));
  return position_BT;
}

at::Tensor KvCache::smear_segment(int64_t layer, const at::Tensor& k_BGTE, const at::Tensor& smear_G) {
  at::Tensor last_BG1E = last_LBG1E_.select(0, layer);
  const at::Tensor k = k_BGTE.to(shape_.dtype), with_last = at::cat({last_BG1E, k}, 2);
  const at::Tensor smeared = smear(k, last_BG1E, smear_G);
  // Column `count` of [last, k] is the row's last key, its old one when it got none.
  last_BG1E.copy_(with_last.gather(2, count_B_.view({-1, 1, 1, 1}).expand_as(last_BG1E)));
  return smeared;
}

at::Tensor KvCache::attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& raw_k_BGTE,
                           const at::Tensor& v_BGTE, const AttentionOptions& options) {
  const at::Tensor k_BGTE = options.smear_G.defined() ? smear_segment(layer, raw_k_BGTE, options.smear_G) : raw_k_BGTE;
  at::Tensor k_BGCE = k_LBGCE_.select(0, layer), v_BGCE = v_LBGCE_.select(0, layer);
  const int64_t width = k_BGTE.size(2);
  if (contiguous_) {
    k_BGCE.narrow(2, begin_, width).copy_(k_BGTE);
    v_BGCE.narrow(2, begin_, width).copy_(v_BGTE);
  } else {
    // Advanced indexing puts the indexed axes first: [N, G, E].
    const auto flat = [&](const at::Tensor& x_BGTE) {
      return x_BGTE.transpose(1, 2).reshape({-1, shape_.kv_heads, shape_.head_size}).to(shape_.dtype);
    };
    k_BGCE.transpose(1, 2).index_put_({row_N_, slot_N_}, flat(k_BGTE));
    v_BGCE.transpose(1, 2).index_put_({row_N_, slot_N_}, flat(v_BGTE));
  }
  return attention(q_BHTE, k_BGCE.narrow(2, 0, stored_), v_BGCE.narrow(2, 0, stored_), mask_B1TS_, options.scale);
}

void KvCache::close() {
  for (size_t b = 0; b < lengths_.size(); ++b) lengths_[b] += counts_[b];
}

int64_t KvCache::bytes() const {
  return static_cast<int64_t>(k_LBGCE_.nbytes() + v_LBGCE_.nbytes() + last_LBG1E_.nbytes());
}

KvCache KvCache::fork(std::span<const int64_t> rows) const {
  KvCacheShape shape = shape_;
  shape.rows = static_cast<int64_t>(rows.size());
  KvCache copy(shape);
  const at::Tensor index = at::tensor(at::ArrayRef<int64_t>(rows.data(), rows.size()), at::kLong).to(shape_.device);
  copy.k_LBGCE_ = k_LBGCE_.index_select(1, index);
  copy.v_LBGCE_ = v_LBGCE_.index_select(1, index);
  copy.last_LBG1E_ = last_LBG1E_.index_select(1, index);
  for (int64_t b = 0; b < shape.rows; ++b) copy.lengths_[b] = lengths_[rows[b]];
  return copy;
}

}  // namespace tacit
