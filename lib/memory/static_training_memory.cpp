#include "lib/memory/static_training_memory.h"

#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "lib/core/error.h"

namespace tacit {

StaticTrainingMemory::StaticTrainingMemory(MemoryLayout layout, Padding padding, int64_t capacity,
                                           at::TensorOptions options)
    : layout_(std::move(layout)),
      padding_(std::move(padding)),
      capacity_(capacity),
      options_(options.requires_grad(std::nullopt)),
      layers_(layout_.size()) {
  require(rows() > 0 && capacity > 0, "make_memory", "expected at least one row and one column but got ", rows(),
          " rows and capacity ", capacity);
  // Unknown, it ends somewhere in the first segment.
  most_padding_ = padding_.begins.empty() ? 1 : *std::ranges::max_element(padding_.begins);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const MemoryLayer& layer = layout_[i];
    layers_[i].states.resize(layer.states.size());
    if (layer.kind == MemoryLayer::Kind::state) continue;
    auto stored = std::make_shared<StoredPrefix>();
    const auto buffer = [&](int64_t size) { return at::zeros({rows(), layer.kv_heads, capacity, size}, options_); };
    stored->k_BGCE = buffer(layer.key_size);
    stored->v_BGCE = layer.values_in_keys ? stored->k_BGCE.narrow(3, 0, layer.value_size) : buffer(layer.value_size);
    layers_[i].stored = std::move(stored);
  }
}

at::Tensor StaticTrainingMemory::open(int64_t width) {
  const at::Tensor column_T = at::arange(stored_, stored_ + width, options_.dtype(at::kLong));
  const at::Tensor begin_B1 = padding_.begin_B.view({-1, 1});
  Segment segment{.stored = stored_, .width = width};
  segment.tokens = make_query_rows(false, std::vector<int64_t>(rows(), stored_), std::vector<int64_t>(rows(), width));
  segment.last =
      make_query_rows(false, std::vector<int64_t>(rows(), stored_ + width - 1), std::vector<int64_t>(rows(), 1));
  segment.real_BT = column_T >= begin_B1;
  open_segment(std::move(segment));
  return (column_T - begin_B1).clamp_min(0);
}

at::Tensor StaticTrainingMemory::open_packed(std::span<const int64_t> counts) {
  require(static_cast<int64_t>(counts.size()) == rows(), "open_segment", "expected one count for each of ", rows(),
          " rows but got ", counts.size());
  require(!padding_.begins.empty(), "open_segment", "expected a padded segment: the device alone knows the padding");
  for (const MemoryLayer& layer : layout_) {
    require(layer.kind != MemoryLayer::Kind::state, "open_segment",
            "expected a padded segment: a layer with a state takes no rows one behind the other");
  }
  const std::vector<int64_t>& begins = padding_.begins;
  Segment segment{.stored = stored_};
  std::vector<int64_t> from, end, position;
  for (int64_t b = 0; b < rows(); ++b) {
    from.push_back(std::max(stored_, begins[b]));
    segment.width = std::max(segment.width, from[b] + counts[b] - stored_);
    end.push_back(from[b] + std::max<int64_t>(counts[b] - 1, 0));
    for (int64_t t = 0; t < counts[b]; ++t) position.push_back(from[b] + t - begins[b]);
  }
  for (int64_t b = 0; b < rows(); ++b) {
    require(stored_ > 0 || from[b] + counts[b] == segment.width, "open_segment",
            "expected prompts that end in one column but row ", b, " ends in ", from[b] + counts[b], ", not ",
            segment.width);
  }
  segment.tokens = make_query_rows(true, std::move(from), {counts.begin(), counts.end()});
  segment.last = make_query_rows(true, std::move(end), std::vector<int64_t>(rows(), 1));
  open_segment(std::move(segment));
  return at::tensor(position, at::kLong).unsqueeze(0).to(options_.device());
}

void StaticTrainingMemory::open_segment(Segment segment) {
  require(stored_ + segment.width <= capacity_, "open_segment", "expected at most ", capacity_ - stored_,
          " more columns but got ", segment.width);
  if (current_ >= 0 && current().tokens.packed) {
    const QueryRows& before = current().tokens;
    for (int64_t b = 0; b < rows(); ++b) {
      require(before.from[b] + before.counts[b] == stored_, "open_segment", "expected no segment behind a ragged one");
    }
  }
  segments_.push_back(std::make_shared<Segment>(std::move(segment)));
  current_ = static_cast<int64_t>(segments_.size()) - 1;
}

at::Tensor StaticTrainingMemory::last_N() const {
  const QueryRows& tokens = current().tokens;
  const int64_t width = current().width;
  if (!tokens.packed) return at::arange(width - 1, width, options_.dtype(at::kLong));
  std::vector<int64_t> column;
  for (int64_t b = 0; b < rows(); ++b) {
    require(tokens.counts[b] > 0, "last_tokens", "expected a packed segment with a token in every row");
    column.push_back(tokens.offset[b] + tokens.counts[b] - 1);
  }
  return at::tensor(column, at::kLong).to(options_.device());
}

// Packed, the last keys are those of all rows side by side [1, G, B, E]; padded, [B, G, 1, E].
at::Tensor StaticTrainingMemory::smeared(Layer& layer, const at::Tensor& raw_k, const at::Tensor& smear_G) const {
  const Segment& segment = current();
  at::Tensor k = raw_k;
  if (!segment.tokens.packed) {
    // A padding key is zero, so that the first real key is smeared with nothing, as in a memory without padding.
    if (segment.stored < most_padding_) k = k * segment.real_BT.unsqueeze(1).unsqueeze(3).to(k.scalar_type());
    const at::Tensor before = layer.last_key.defined() ? layer.last_key : at::zeros_like(k.narrow(2, 0, 1));
    layer.last_key = k.narrow(2, k.size(2) - 1, 1);
    return smear(k, left_neighbours(k, before), smear_G);
  }
  std::vector<int64_t> row, first, last;
  for (int64_t b = 0; b < rows(); ++b) {
    if (segment.tokens.counts[b] == 0) continue;
    row.push_back(b);
    first.push_back(segment.tokens.offset[b]);
    last.push_back(first.back() + segment.tokens.counts[b] - 1);
  }
  const auto index = [&](const std::vector<int64_t>& x) { return at::tensor(x, at::kLong).to(k.device()); };
  const at::Tensor before = layer.last_key.defined()
                                ? layer.last_key.index_select(2, index(row))
                                : at::zeros({1, k.size(1), static_cast<int64_t>(row.size()), k.size(3)}, k.options());
  const at::Tensor left = left_neighbours(k, before.narrow(2, 0, 1)).index_copy(2, index(first), before);
  layer.last_key = k.index_select(2, index(last));  // of all rows, or there is no further segment
  return smear(k, left, smear_G);
}

at::Tensor StaticTrainingMemory::attend(int64_t number, const at::Tensor& q, const at::Tensor& raw_k,
                                        const at::Tensor& v, const AttentionOptions& options) {
  Layer& layer = layers_[number];
  const MemoryLayer& layout = layout_[number];
  require(with_gradient_ || !at::GradMode::is_enabled(), "attend",
          "expected no gradient in a memory that records none");
  Segment& segment = current();
  const at::Tensor k = options.smear_G.defined() ? smeared(layer, raw_k, options.smear_G) : raw_k;
  const auto store = [&](const at::Tensor& buffer_BGCE, const at::Tensor& x) {
    const at::NoGradGuard no_grad;
    for (const auto& [row, count] : equal_rows(segment.tokens)) {
      const Tile all{.row = row, .rows = count, .query = 0, .queries = segment.tokens.counts[row]};
      buffer_BGCE.narrow(0, row, count)
          .narrow(2, segment.tokens.from[row], all.queries)
          .copy_(part_of(x, segment.tokens, all));
    }
  };
  store(layer.stored->k_BGCE, k);
  if (!layout.values_in_keys) store(layer.stored->v_BGCE, v);

  const bool last_only = q.size(2) != k.size(2);
  const QueryRows& queries = last_only ? segment.last : segment.tokens;
  const int64_t window = layout.kind == MemoryLayer::Kind::window ? layout.window : 0;
  auto& tiles = segment.tiles[{last_only, window}];
  if (!tiles) {
    tiles = std::make_shared<const std::vector<Tile>>(make_tiles(queries, padding_, window));
  }
  return attend_to_prefix({layer.stored, tiles, segment.tokens, queries, options.scale}, q, k,
                          layout.values_in_keys ? at::Tensor() : v, layer.chain);
}

at::Tensor StaticTrainingMemory::state(int64_t layer, int64_t which) const {
  const at::Tensor& held = layers_[layer].states.at(which);
  if (held.defined()) return held;
  std::vector<int64_t> sizes = {rows()};
  const std::vector<int64_t>& shape = layout_[layer].states[which];
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return at::zeros(sizes, options_.dtype(at::kFloat));
}

void StaticTrainingMemory::set_state(int64_t layer, int64_t which, const at::Tensor& value) {
  layers_[layer].states.at(which) = value;
}

at::Tensor StaticTrainingMemory::real_BT() const {
  return current().stored < most_padding_ && !current().tokens.packed ? current().real_BT : at::Tensor();
}

void StaticTrainingMemory::close() { stored_ = current().stored + current().width; }

std::unique_ptr<StaticTrainingMemory> StaticTrainingMemory::without_gradient() const {
  const at::NoGradGuard no_grad;
  std::unique_ptr<StaticTrainingMemory> copy(new StaticTrainingMemory(layout_, padding_, capacity_, options_));
  copy->with_gradient_ = false;
  copy->stored_ = stored_;
  copy->current_ = current_;
  copy->segments_ = segments_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    Layer& to = copy->layers_[i];
    const Layer& from = layers_[i];
    if (from.last_key.defined()) to.last_key = from.last_key.detach();
    for (size_t s = 0; s < from.states.size(); ++s) {
      if (from.states[s].defined()) to.states[s] = from.states[s].detach();
    }
    if (!from.stored || stored_ == 0) continue;
    const auto stored = [&](const at::Tensor& buffer_BGCE) { return buffer_BGCE.narrow(2, 0, stored_); };
    stored(to.stored->k_BGCE).copy_(stored(from.stored->k_BGCE));
    if (!layout_[i].values_in_keys) stored(to.stored->v_BGCE).copy_(stored(from.stored->v_BGCE));
  }
  return copy;
}

int64_t StaticTrainingMemory::segment() const { return current_; }

void StaticTrainingMemory::reopen(int64_t segment) {
  current_ = segment;
  for (Layer& layer : layers_) layer.chain = at::Tensor();
}

std::vector<at::Tensor> StaticTrainingMemory::carried() const {
  std::vector<at::Tensor> out;
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (size_t s = 0; s < layers_[i].states.size(); ++s) {
      out.push_back(state(static_cast<int64_t>(i), static_cast<int64_t>(s)));
    }
    if (layout_[i].smeared) out.push_back(layers_[i].last_key);
  }
  return out;
}

void StaticTrainingMemory::set_carried(const std::vector<at::Tensor>& carried) {
  size_t next = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (at::Tensor& state : layers_[i].states) state = carried.at(next++);
    if (layout_[i].smeared) layers_[i].last_key = carried.at(next++);
  }
}

}  // namespace tacit
