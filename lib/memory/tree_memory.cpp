#include "lib/memory/tree_memory.h"

#include "lib/core/error.h"

namespace tacit {

TreeMemory::TreeMemory(const MemoryLayout& layout, int64_t capacity, at::ScalarType dtype, at::Device device)
    : layout_(layout) {
  require(capacity > 0, "make_tree", "expected a capacity of at least 1 node but got ", capacity);
  seen_CC_ = at::zeros({capacity, capacity}, at::kBool);
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  for (const MemoryLayer& kept : layout_) {
    require(
        kept.kind != MemoryLayer::Kind::state, "make_tree",
        "expected layers that store keys and values but got one with a state of fixed size; fork a session instead");
    Layer layer;
    layer.k_1GCE = at::zeros({1, kept.kv_heads, capacity, kept.key_size}, options);
    layer.v_1GCE = kept.values_in_keys ? layer.k_1GCE.narrow(3, 0, kept.value_size)
                                       : at::zeros({1, kept.kv_heads, capacity, kept.value_size}, options);
    if (kept.smeared) layer.raw_k_1GCE = at::zeros({1, kept.kv_heads, capacity + 1, kept.key_size}, options);
    layers_.push_back(std::move(layer));
  }
}

at::Tensor TreeMemory::open(std::span<const int64_t> parents, std::string_view operation) {
  const int64_t first = nodes(), count = static_cast<int64_t>(parents.size()), end = first + count;
  require(count > 0, operation, "expected at least one node");
  require(end <= capacity(), operation, "expected at most ", capacity() - first, " more nodes but got ", count,
          " (capacity ", capacity(), ", stored ", first, ")");
  for (int64_t i = 0; i < count; ++i) {
    require(parents[i] >= kNoParent && parents[i] < first + i, operation, "expected a parent of ", kNoParent, " to ",
            first + i - 1, " for node ", first + i, " but got ", parents[i]);
  }
  new_parents_.assign(parents.begin(), parents.end());
  new_depths_ = depths_;  // of all nodes
  std::vector<int64_t> left;
  for (int64_t i = first; i < end; ++i) {
    const int64_t parent = parents[i - first];
    const at::Tensor seen_C = seen_CC_[i];
    if (parent == kNoParent) {
      seen_C.zero_();
    } else {
      seen_C.copy_(seen_CC_[parent]);
    }
    seen_C[i] = true;
    new_depths_.push_back(parent == kNoParent ? 0 : new_depths_[parent] + 1);
    left.push_back(parent == kNoParent ? capacity() : parent);
  }
  const at::Device device = layers_.empty() ? at::Device(at::kCPU) : layers_[0].k_1GCE.device();
  const at::Tensor depth_S = at::tensor(new_depths_, at::kLong).to(device);
  depth_S_ = depth_S;
  depth_N_ = depth_S.narrow(0, first, count);
  left_N_ = at::tensor(left, at::kLong).to(device);
  seen_11NS_ = seen_CC_.narrow(0, first, count).narrow(1, 0, end).to(device).view({1, 1, count, end});
  return depth_N_.unsqueeze(0);
}

at::Tensor TreeMemory::attend(int64_t number, const at::Tensor& q_1HNE, const at::Tensor& raw_k_1GNE,
                              const at::Tensor& v_1GNE, const AttentionOptions& options) {
  Layer& layer = layers_[number];
  const int64_t first = nodes(), count = q_1HNE.size(2), end = first + count;
  at::Tensor k_1GNE = raw_k_1GNE.to(layer.k_1GCE.scalar_type());
  if (options.smear_G.defined()) {
    layer.raw_k_1GCE.narrow(2, first, count).copy_(k_1GNE);
    k_1GNE = smear(k_1GNE, layer.raw_k_1GCE.index_select(2, left_N_), options.smear_G);
  }
  layer.k_1GCE.narrow(2, first, count).copy_(k_1GNE);
  if (v_1GNE.defined()) layer.v_1GCE.narrow(2, first, count).copy_(v_1GNE);
  at::Tensor mask_11NS = seen_11NS_;
  if (layout_[number].kind == MemoryLayer::Kind::window) {
    const at::Tensor near_NS = depth_S_.unsqueeze(0) > depth_N_.unsqueeze(1) - layout_[number].window;
    mask_11NS = mask_11NS & near_NS.view({1, 1, count, end});
  }
  return attention(q_1HNE, layer.k_1GCE.narrow(2, 0, end), layer.v_1GCE.narrow(2, 0, end), mask_11NS, options.scale);
}

void TreeMemory::close() {
  parents_.insert(parents_.end(), new_parents_.begin(), new_parents_.end());
  depths_ = new_depths_;
}

at::Tensor TreeMemory::state(int64_t, int64_t) const { fail("tree", "expected a layer that stores keys and values"); }

void TreeMemory::set_state(int64_t layer, int64_t which, const at::Tensor&) { state(layer, which); }

}  // namespace tacit
