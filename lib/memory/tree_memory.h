#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lib/memory/layout.h"
#include "lib/memory/memory.h"

namespace tacit {

// The memory of one tree of tokens: every node continues its parent and sees its ancestors and itself, so that a prompt
// is stored once however many branches leave it. Nodes are numbered in the order they came; position = depth. As one
// row: B = 1. Not differentiable; written in place.
class TreeMemory : public Memory {
 public:
  static constexpr int64_t kNoParent = -1;

  // Fails where a layer of the layout has a state: a state is of one sequence.
  TreeMemory(const MemoryLayout& layout, int64_t capacity, at::ScalarType dtype, at::Device device);

  // Opens a segment of one node for each parent: an earlier node, one of this segment that stands before it, or
  // kNoParent. Fails with `operation`, changing nothing.  -> position of every node [1, N], int64
  at::Tensor open(std::span<const int64_t> parents, std::string_view operation);
  at::Tensor attend(int64_t layer, const at::Tensor& q_1HNE, const at::Tensor& k_1GNE, const at::Tensor& v_1GNE,
                    const AttentionOptions& options) override;
  void close();

  at::Tensor state(int64_t layer, int64_t which) const override;
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override;
  at::Tensor real_BT() const override { return {}; }

  int64_t nodes() const { return static_cast<int64_t>(parents_.size()); }  // closed segments only
  int64_t capacity() const { return seen_CC_.size(0); }
  const std::vector<int64_t>& parents() const { return parents_; }
  const std::vector<int64_t>& depths() const { return depths_; }  // 0 = no parent

 private:
  struct Layer {
    at::Tensor k_1GCE, v_1GCE;
    at::Tensor raw_k_1GCE;  // smeared layers: keys before smearing, and a column of zeros for nodes without parent
  };
  MemoryLayout layout_;
  std::vector<Layer> layers_;
  std::vector<int64_t> parents_, depths_;
  at::Tensor seen_CC_;  // bool, on the host: row i marks node i and its ancestors
  // The open segment.
  std::vector<int64_t> new_parents_, new_depths_;
  at::Tensor seen_11NS_, depth_N_, depth_S_, left_N_;
};

}  // namespace tacit
