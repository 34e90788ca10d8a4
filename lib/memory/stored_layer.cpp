#include "lib/memory/stored_layer.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/kernels/prompt_attention/prompt_attention.h"
#include "lib/kernels/tensors.h"

namespace tacit {

int64_t Segment::first_query(int64_t queries) const {
  require(queries == width || queries == 1, "attend", "expected queries of all ", width, " columns or of one but got ",
          queries);
  return width - queries;
}

at::Tensor StoredLayer::attend(const Segment&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                               const AttentionOptions&) {
  fail("attend", "expected a layer that stores keys and values but got one with a state");
}

at::Tensor StoredLayer::state(int64_t) const {
  fail("memory_state", "expected a layer with a state but got one that stores keys and values");
}

void StoredLayer::set_state(int64_t, const at::Tensor&) { state(0); }

namespace {

// The last key of every row before smearing, zero before the first.
class Smearing {
 public:
  Smearing(const MemoryLayer& layout, int64_t rows, at::TensorOptions options)
      : last_BG1E_(at::zeros({rows, layout.kv_heads, 1, layout.key_size}, options)) {}
  explicit Smearing(at::Tensor last_BG1E) : last_BG1E_(std::move(last_BG1E)) {}

  at::Tensor operator()(const Segment& segment, const at::Tensor& k_BGTE, const at::Tensor& smear_G) {
    const at::Tensor k = k_BGTE.to(last_BG1E_.scalar_type()), with_last = at::cat({last_BG1E_, k}, 2);
    const at::Tensor smeared = smear(k, left_neighbours(k, last_BG1E_), smear_G);
    // Column `count` of [last, k] is the row's last key, its old one when it got none.
    last_BG1E_.copy_(with_last.gather(2, segment.count_B.view({-1, 1, 1, 1}).expand_as(last_BG1E_)));
    return smeared;
  }
  Smearing select(const at::Tensor& row_N) const { return Smearing(last_BG1E_.index_select(0, row_N)); }
  void adopt(int64_t row, const Smearing& from, int64_t from_row) { last_BG1E_[row].copy_(from.last_BG1E_[from_row]); }
  int64_t bytes() const { return static_cast<int64_t>(last_BG1E_.nbytes()); }
  const at::Tensor& last_BG1E() const { return last_BG1E_; }

 private:
  at::Tensor last_BG1E_;
};

// Writes the segment's columns x [B, G, T, E] to columns slot [B, T] of kept [B, G, C, E].
void scatter(const at::Tensor& kept_BGCE, const at::Tensor& slot_BT, const at::Tensor& x_BGTE) {
  const at::Tensor row_B1 = at::arange(kept_BGCE.size(0), slot_BT.options()).unsqueeze(1);
  // Advanced indexing puts the indexed axes first: [B, T, G, E].
  kept_BGCE.transpose(1, 2).index_put_({row_B1, slot_BT}, x_BGTE.transpose(1, 2).to(kept_BGCE.scalar_type()));
}

// Whether a window is shorter than the memory, so that columns are used again.
bool slides(const MemoryLayer& layout, int64_t capacity) {
  return layout.kind == MemoryLayer::Kind::window && layout.window < capacity;
}
// Of every row. One more than are used: padding writes there and nobody reads it.
int64_t columns_of(const MemoryLayer& layout, int64_t capacity) {
  return (slides(layout, capacity) ? layout.window : capacity) + 1;
}

// Keys and values of a layer, in two tensors or, where values lie in the keys, in one.
struct KeysAndValues {
  at::Tensor k_BGCE, v_BGCE;

  KeysAndValues(const MemoryLayer& layout, int64_t rows, int64_t columns, MemoryArena& arena) {
    // Zeros, not garbage: a masked NaN would still poison the product with its zero weight.
    k_BGCE = arena.zeros({rows, layout.kv_heads, columns, layout.key_size});
    v_BGCE = layout.values_in_keys ? k_BGCE.narrow(3, 0, layout.value_size)
                                   : arena.zeros({rows, layout.kv_heads, columns, layout.value_size});
  }
  void copy_rows(const KeysAndValues& from, const at::Tensor& row_N, int64_t columns, bool values_in_keys) {
    const auto copy = [&](const at::Tensor& to_BGCE, const at::Tensor& from_BGCE) {
      to_BGCE.narrow(2, 0, columns).copy_(from_BGCE.narrow(2, 0, columns).index_select(0, row_N));
    };
    copy(k_BGCE, from.k_BGCE);
    if (!values_in_keys) copy(v_BGCE, from.v_BGCE);
  }
  void adopt(int64_t row, const KeysAndValues& from, int64_t from_row, int64_t columns, bool values_in_keys) {
    const auto copy = [&](const at::Tensor& to_BGCE, const at::Tensor& from_BGCE) {
      to_BGCE[row].narrow(1, 0, columns).copy_(from_BGCE[from_row].narrow(1, 0, columns));
    };
    copy(k_BGCE, from.k_BGCE);
    if (!values_in_keys) copy(v_BGCE, from.v_BGCE);
  }
  int64_t bytes(bool values_in_keys) const {
    return static_cast<int64_t>(k_BGCE.nbytes() + (values_in_keys ? 0 : v_BGCE.nbytes()));
  }
};

bool takes_prompt_attention(const at::Tensor& q_BHTE, const KeysAndValues& kept) {
  return takes_kernel(q_BHTE) && q_BHTE.scalar_type() == kept.k_BGCE.scalar_type() &&
         prompt_attention_is_faster(q_BHTE.size(2));
}

// Query t of row b sees the columns up to position_BT[b, t].
at::Tensor prompt_attention_of(const at::Tensor& q_BHTE, const KeysAndValues& kept, const at::Tensor& position_BT,
                               double scale) {
  const at::Tensor &k_BGCE = kept.k_BGCE, &v_BGCE = kept.v_BGCE;
  require(q_BHTE.size(0) == k_BGCE.size(0) && q_BHTE.size(1) % k_BGCE.size(1) == 0 && q_BHTE.size(3) == k_BGCE.size(3),
          "attend", "expected queries of ", k_BGCE.size(0), " rows, a multiple of ", k_BGCE.size(1), " heads and size ",
          k_BGCE.size(3), " but got ", q_BHTE.sizes());
  const at::Tensor q = q_BHTE.stride(3) == 1 ? q_BHTE : q_BHTE.contiguous(), seen_BT = (position_BT + 1).contiguous();
  const at::Tensor y_BTHE = at::empty({q.size(0), q.size(2), q.size(1), v_BGCE.size(3)}, q.options());
  const auto strides = [](const at::Tensor& x) {
    return PromptAttentionArgs::Strides{x.stride(0), x.stride(1), x.stride(2)};
  };
  prompt_attention({.rows = q.size(0),
                    .heads = q.size(1),
                    .kv_heads = k_BGCE.size(1),
                    .queries = q.size(2),
                    .key_size = q.size(3),
                    .value_size = v_BGCE.size(3),
                    .scalar = kernel_scalar(q, "attend"),
                    .scale = static_cast<float>(scale),
                    .q_BHTE = q.const_data_ptr(),
                    .k_BGSE = k_BGCE.const_data_ptr(),
                    .v_BGSE = v_BGCE.const_data_ptr(),
                    .q = strides(q),
                    .k = strides(k_BGCE),
                    .v = strides(v_BGCE),
                    .seen_BT = seen_BT.const_data_ptr<int64_t>(),
                    .y_BTHE = y_BTHE.data_ptr()});
  return y_BTHE.transpose(1, 2);
}

class FullLayer : public StoredLayer {
 public:
  FullLayer(const MemoryLayer& layout, int64_t rows, int64_t capacity, at::TensorOptions options, MemoryArena& arena)
      : layout_(layout),
        capacity_(capacity),
        options_(options),
        kept_(layout, rows, columns_of(layout, capacity), arena),
        smearing_(layout, layout.smeared ? rows : 0, options) {}

  at::Tensor attend(const Segment& segment, const at::Tensor& q_BHTE, const at::Tensor& raw_k_BGTE,
                    const at::Tensor& v_BGTE, const AttentionOptions& options) override {
    const at::Tensor k_BGTE = options.smear_G.defined() ? smearing_(segment, raw_k_BGTE, options.smear_G) : raw_k_BGTE;
    if (segment.uniform) {
      kept_.k_BGCE.narrow(2, segment.begins[0], segment.width).copy_(k_BGTE);
      if (v_BGTE.defined()) kept_.v_BGCE.narrow(2, segment.begins[0], segment.width).copy_(v_BGTE);
    } else {
      const at::Tensor slot_BT =
          segment.real_BT.defined() ? at::where(segment.real_BT, segment.position_BT, capacity_) : segment.position_BT;
      scatter(kept_.k_BGCE, slot_BT, k_BGTE);
      if (v_BGTE.defined()) scatter(kept_.v_BGCE, slot_BT, v_BGTE);
    }
    const int64_t stored = segment.most_stored, queries = q_BHTE.size(2), first = segment.first_query(queries);
    if (takes_prompt_attention(q_BHTE, kept_))
      return prompt_attention_of(q_BHTE, kept_, segment.position_BT.narrow(1, first, queries), options.scale);
    return attention(q_BHTE, kept_.k_BGCE.narrow(2, 0, stored), kept_.v_BGCE.narrow(2, 0, stored),
                     segment.causal_B1TS.narrow(2, first, queries), options.scale);
  }

  StoredKeys stored_keys() const override {
    if (layout_.values_in_keys) return {};
    return {kept_.k_BGCE, kept_.v_BGCE, layout_.smeared ? smearing_.last_BG1E() : at::Tensor()};
  }
  std::unique_ptr<StoredLayer> select(const at::Tensor& row_N, int64_t length, MemoryArena& arena) const override {
    auto copy = std::make_unique<FullLayer>(layout_, row_N.size(0), capacity_, options_, arena);
    copy->kept_.copy_rows(kept_, row_N, length, layout_.values_in_keys);
    if (layout_.smeared) copy->smearing_ = smearing_.select(row_N);
    return copy;
  }
  void adopt(int64_t row, const StoredLayer& other, int64_t from_row, int64_t length) override {
    const auto& from = dynamic_cast<const FullLayer&>(other);
    kept_.adopt(row, from.kept_, from_row, length, layout_.values_in_keys);
    if (layout_.smeared) smearing_.adopt(row, from.smearing_, from_row);
  }
  int64_t bytes() const override { return kept_.bytes(layout_.values_in_keys) + smearing_.bytes(); }
  const char* keeps_from_truncating(int64_t, int64_t) const override {
    return layout_.smeared ? "a smeared key needs the one before it, which is not stored" : nullptr;
  }

 private:
  MemoryLayer layout_;
  int64_t capacity_;
  at::TensorOptions options_;
  KeysAndValues kept_;
  Smearing smearing_;
};

// Zero where a column is padding, which a mask cannot make of a NaN: 0 * NaN is NaN.
at::Tensor without_padding(const Segment& segment, const at::Tensor& x_BGTE) {
  if (!segment.real_BT.defined() || !x_BGTE.defined()) return x_BGTE;
  return x_BGTE.masked_fill(segment.real_BT.logical_not().unsqueeze(1).unsqueeze(3), 0);
}

// A ring: position p lies in column p mod window.
class WindowLayer : public StoredLayer {
 public:
  WindowLayer(const MemoryLayer& layout, int64_t rows, int64_t capacity, at::TensorOptions options, MemoryArena& arena)
      : layout_(layout),
        capacity_(capacity),
        options_(options),
        kept_(layout, rows, columns_of(layout, capacity), arena),
        smearing_(layout, layout.smeared ? rows : 0, options) {}

  at::Tensor attend(const Segment& segment, const at::Tensor& q_BHTE, const at::Tensor& raw_k_BGTE,
                    const at::Tensor& given_v_BGTE, const AttentionOptions& options) override {
    const auto own = [&](const at::Tensor& x_BGTE) { return without_padding(segment, x_BGTE); };
    const at::Tensor k_BGTE =
        own(options.smear_G.defined() ? smearing_(segment, raw_k_BGTE, options.smear_G) : raw_k_BGTE);
    const at::Tensor v_BGTE = own(given_v_BGTE);
    const int64_t window = layout_.window, rows = q_BHTE.size(0);
    // What the ring held before the segment, then the segment itself.
    const auto joined = [&](const at::Tensor& kept_BGCE, const at::Tensor& x_BGTE) {
      return at::cat({kept_BGCE.narrow(2, 0, window), x_BGTE.to(kept_BGCE.scalar_type())}, 2);
    };
    const at::Tensor k_BGSE = joined(kept_.k_BGCE, k_BGTE);
    const at::Tensor v_BGSE = v_BGTE.defined() ? joined(kept_.v_BGCE, v_BGTE) : k_BGSE.narrow(3, 0, layout_.value_size);
    const at::Tensor position_BT = segment.position_BT;
    const at::Tensor begin_B1 = at::tensor(segment.begins, at::kLong).to(position_BT.device()).unsqueeze(1);
    // Column c of the ring holds the last position before the segment that is c modulo the window; below 0 = none.
    const at::Tensor column_1C = at::arange(window, position_BT.options()).unsqueeze(0);
    const at::Tensor held_BC = begin_B1 - 1 - (begin_B1 - 1 - column_1C).remainder(window);
    const at::Tensor own_BT = segment.real_BT.defined() ? at::where(segment.real_BT, position_BT, -1) : position_BT;
    const int64_t queries = q_BHTE.size(2);
    const at::Tensor at_B1S = at::cat({held_BC, own_BT}, 1).unsqueeze(1),
                     query_BT1 = position_BT.narrow(1, segment.first_query(queries), queries).unsqueeze(2);
    at::Tensor mask_BTS = (at_B1S >= 0) & (at_B1S <= query_BT1) & (at_B1S > query_BT1 - window);
    const at::Tensor found = attention(q_BHTE, k_BGSE, v_BGSE, mask_BTS.unsqueeze(1), options.scale);
    // Only the last `window` positions of a row are written, lest two of them meet in one column.
    const at::Tensor end_B1 = begin_B1 + segment.count_B.view({rows, 1});
    const at::Tensor stays_BT = (own_BT >= 0) & (position_BT >= end_B1 - window);
    const at::Tensor slot_BT = at::where(stays_BT, position_BT.remainder(window), window);
    scatter(kept_.k_BGCE, slot_BT, k_BGTE);
    if (v_BGTE.defined()) scatter(kept_.v_BGCE, slot_BT, v_BGTE);
    return found;
  }

  std::unique_ptr<StoredLayer> select(const at::Tensor& row_N, int64_t length, MemoryArena& arena) const override {
    auto copy = std::make_unique<WindowLayer>(layout_, row_N.size(0), capacity_, options_, arena);
    copy->kept_.copy_rows(kept_, row_N, std::min(length, layout_.window), layout_.values_in_keys);
    if (layout_.smeared) copy->smearing_ = smearing_.select(row_N);
    return copy;
  }
  void adopt(int64_t row, const StoredLayer& other, int64_t from_row, int64_t length) override {
    const auto& from = dynamic_cast<const WindowLayer&>(other);
    kept_.adopt(row, from.kept_, from_row, std::min(length, layout_.window), layout_.values_in_keys);
    if (layout_.smeared) smearing_.adopt(row, from.smearing_, from_row);
  }
  int64_t bytes() const override { return kept_.bytes(layout_.values_in_keys) + smearing_.bytes(); }
  const char* keeps_from_truncating(int64_t length, int64_t kept) const override {
    if (layout_.smeared) return "a smeared key needs the one before it, which is not stored";
    if (length <= layout_.window || length == kept) return nullptr;
    return "a sliding window has dropped what was before it";
  }

 private:
  MemoryLayer layout_;
  int64_t capacity_;
  at::TensorOptions options_;
  KeysAndValues kept_;
  Smearing smearing_;
};

class StateLayer : public StoredLayer {
 public:
  StateLayer(const MemoryLayer& layout, int64_t rows, at::TensorOptions options) {
    for (const auto& shape : layout.states) {
      std::vector<int64_t> sizes = {rows};
      sizes.insert(sizes.end(), shape.begin(), shape.end());
      states_.push_back(at::zeros(sizes, options.dtype(at::kFloat)));
    }
  }
  explicit StateLayer(std::vector<at::Tensor> states) : states_(std::move(states)) {}

  at::Tensor state(int64_t which) const override { return states_.at(which); }
  void set_state(int64_t which, const at::Tensor& value) override { states_.at(which).copy_(value); }
  std::unique_ptr<StoredLayer> select(const at::Tensor& row_N, int64_t, MemoryArena&) const override {
    std::vector<at::Tensor> copies;
    for (const at::Tensor& s : states_) copies.push_back(s.index_select(0, row_N));
    return std::make_unique<StateLayer>(std::move(copies));
  }
  void adopt(int64_t row, const StoredLayer& other, int64_t from_row, int64_t) override {
    const auto& from = dynamic_cast<const StateLayer&>(other);
    for (size_t i = 0; i < states_.size(); ++i) states_[i][row].copy_(from.states_[i][from_row]);
  }
  int64_t bytes() const override {
    int64_t sum = 0;
    for (const at::Tensor& s : states_) sum += static_cast<int64_t>(s.nbytes());
    return sum;
  }
  const char* keeps_from_truncating(int64_t length, int64_t kept) const override {
    return length == kept ? nullptr : "a state of fixed size cannot be taken back";
  }

 private:
  std::vector<at::Tensor> states_;
};

}  // namespace

int64_t kept_bytes(const MemoryLayer& layout, int64_t rows, int64_t capacity, at::ScalarType dtype) {
  if (layout.kind == MemoryLayer::Kind::state) return 0;
  const int64_t vectors = rows * layout.kv_heads * columns_of(layout, capacity);
  const auto bytes = [&](int64_t size) {
    return MemoryArena::rounded(vectors * size * static_cast<int64_t>(c10::elementSize(dtype)));
  };
  return bytes(layout.key_size) + (layout.values_in_keys ? 0 : bytes(layout.value_size));
}

std::unique_ptr<StoredLayer> make_stored_layer(const MemoryLayer& layout, int64_t rows, int64_t capacity,
                                               at::TensorOptions options, MemoryArena& arena) {
  switch (layout.kind) {
    case MemoryLayer::Kind::full:
    case MemoryLayer::Kind::window:
      if (slides(layout, capacity)) return std::make_unique<WindowLayer>(layout, rows, capacity, options, arena);
      return std::make_unique<FullLayer>(layout, rows, capacity, options, arena);
    case MemoryLayer::Kind::state: return std::make_unique<StateLayer>(layout, rows, options);
  }
  fail("make_memory", "expected a known kind of layer but got ", static_cast<int>(layout.kind));
}

}  // namespace tacit
