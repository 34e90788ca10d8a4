#include "lib/memory/inference_memory.h"

#include <algorithm>

#include "lib/core/error.h"

namespace tacit {

static MemoryArena make_arena(const InferenceMemoryShape& shape) {
  int64_t bytes = 0;
  for (const MemoryLayer& layer : shape.layout) bytes += kept_bytes(layer, shape.rows, shape.capacity, shape.dtype);
  return {bytes, at::TensorOptions().dtype(shape.dtype).device(shape.device)};
}

InferenceMemory::InferenceMemory(const InferenceMemoryShape& shape) : shape_(shape), lengths_(shape.rows, 0) {
  require(shape.rows > 0 && shape.capacity > 0, "make_memory", "expected at least one row and one column but got ",
          shape.rows, " rows and capacity ", shape.capacity);
  const auto options = at::TensorOptions().dtype(shape.dtype).device(shape.device);
  MemoryArena arena = make_arena(shape);
  for (const MemoryLayer& layer : shape.layout)
    layers_.push_back(make_stored_layer(layer, shape.rows, shape.capacity, options, arena));
}

void InferenceMemory::require_room(std::span<const int64_t> counts, std::string_view operation) const {
  require(static_cast<int64_t>(counts.size()) == shape_.rows, operation, "expected one count for each of ", shape_.rows,
          " rows but got ", counts.size());
  for (int64_t b = 0; b < shape_.rows; ++b) {
    require(lengths_[b] + counts[b] <= shape_.capacity, operation, "expected at most ", shape_.capacity - lengths_[b],
            " more tokens in row ", b, " but got ", counts[b], " (capacity ", shape_.capacity, ", stored ", lengths_[b],
            ")");
  }
}

void InferenceMemory::grow(std::span<const int64_t> counts) {
  for (size_t b = 0; b < lengths_.size(); ++b) lengths_[b] += counts[b];
}

at::Tensor InferenceMemory::open(std::span<const int64_t> counts, int64_t width, std::string_view operation) {
  const int64_t rows = shape_.rows;
  require_room(counts, operation);
  segment_ = {.begins = lengths_, .counts = {counts.begin(), counts.end()}, .width = width, .uniform = true};
  bool full = true;
  std::vector<int64_t> position(rows * width);
  for (int64_t b = 0; b < rows; ++b) {
    full = full && counts[b] == width;
    segment_.most_stored = std::max(segment_.most_stored, lengths_[b] + counts[b]);
    segment_.uniform = segment_.uniform && lengths_[b] == lengths_[0] && counts[b] == width;
    for (int64_t t = 0; t < width; ++t) {
      // Padding takes the position of the row's last token: in range for every position table.
      const int64_t at = lengths_[b] + std::min(t, std::max<int64_t>(counts[b] - 1, 0));
      position[b * width + t] = std::min(at, shape_.capacity - 1);
    }
  }
  segment_.position_BT = at::tensor(position, at::kLong).view({rows, width}).to(shape_.device);
  segment_.count_B = at::tensor(segment_.counts, at::kLong).to(shape_.device);
  const at::Tensor column_S = at::arange(segment_.most_stored, segment_.position_BT.options());
  segment_.causal_B1TS = column_S.view({1, 1, 1, -1}) <= segment_.position_BT.view({rows, 1, width, 1});
  if (!full) {
    const at::Tensor column_T = at::arange(width, segment_.count_B.options());
    segment_.real_BT = column_T.unsqueeze(0) < segment_.count_B.unsqueeze(1);
  }
  return segment_.position_BT;
}

at::Tensor InferenceMemory::attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE,
                                   const at::Tensor& v_BGTE, const AttentionOptions& options) {
  return layers_[layer]->attend(segment_, q_BHTE, k_BGTE, v_BGTE, options);
}

at::Tensor InferenceMemory::state(int64_t layer, int64_t which) const { return layers_[layer]->state(which); }

void InferenceMemory::set_state(int64_t layer, int64_t which, const at::Tensor& value) {
  layers_[layer]->set_state(which, value);
}

at::Tensor InferenceMemory::last() const {
  if (!segment_.real_BT.defined()) return at::full({1}, segment_.width - 1, segment_.count_B.options());
  return (segment_.count_B - 1).clamp_min(0).unsqueeze(1);
}

void InferenceMemory::close() { grow(segment_.counts); }

int64_t InferenceMemory::bytes() const {
  int64_t sum = 0;
  for (const auto& layer : layers_) sum += layer->bytes();
  return sum;
}

InferenceMemory InferenceMemory::fork(std::span<const int64_t> rows) const {
  InferenceMemoryShape shape = shape_;
  shape.rows = static_cast<int64_t>(rows.size());
  shape.layout.clear();  // the layers are copies, not fresh
  InferenceMemory copy(shape);
  copy.shape_.layout = shape_.layout;
  const at::Tensor row_N = at::tensor(at::ArrayRef<int64_t>(rows.data(), rows.size()), at::kLong).to(shape_.device);
  for (int64_t b = 0; b < shape.rows; ++b) copy.lengths_[b] = lengths_[rows[b]];
  const int64_t longest = *std::ranges::max_element(copy.lengths_);
  MemoryArena arena = make_arena(copy.shape_);
  for (const auto& layer : layers_) copy.layers_.push_back(layer->select(row_N, longest, arena));
  return copy;
}

void InferenceMemory::adopt(int64_t row, const InferenceMemory& from, int64_t from_row, std::string_view operation) {
  const auto in_range = [&](int64_t b, int64_t rows) {
    require(b >= 0 && b < rows, operation, "expected a row of 0 to ", rows - 1, " but got ", b);
  };
  in_range(row, shape_.rows);
  in_range(from_row, from.shape_.rows);
  require(from.shape_.capacity == shape_.capacity, operation, "expected memories of one capacity but got ",
          shape_.capacity, " and ", from.shape_.capacity);
  for (size_t layer = 0; layer < layers_.size(); ++layer)
    layers_[layer]->adopt(row, *from.layers_[layer], from_row, from.lengths_[from_row]);
  lengths_[row] = from.lengths_[from_row];
}

void InferenceMemory::truncate(std::span<const int64_t> lengths, std::string_view operation) {
  require(static_cast<int64_t>(lengths.size()) == shape_.rows, operation, "expected one length for each of ",
          shape_.rows, " rows but got ", lengths.size());
  for (int64_t b = 0; b < shape_.rows; ++b) {
    require(lengths[b] >= 0 && lengths[b] <= lengths_[b], operation, "expected a length of 0 to ", lengths_[b],
            " for row ", b, " but got ", lengths[b]);
    if (lengths[b] == lengths_[b]) continue;
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      const char* reason = layers_[layer]->keeps_from_truncating(lengths_[b], lengths[b]);
      require(reason == nullptr, operation, "expected layers that can forget their last tokens but layer ", layer,
              " cannot: ", reason ? reason : "", "; fork before feeding instead");
    }
  }
  lengths_.assign(lengths.begin(), lengths.end());
}

}  // namespace tacit
