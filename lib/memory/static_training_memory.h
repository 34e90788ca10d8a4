#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "lib/memory/layout.h"
#include "lib/memory/memory.h"
#include "lib/memory/tiles.h"

namespace tacit {

// Memory for training, the same function as TrainingMemory's at less cost. Keys and values of all segments lie in
// buffers that are allocated once and written in place; each segment's attention is one node of the autograd graph,
// which adds to static buffers of key and value gradients. A segment hands out its own share of these once all later
// segments have added theirs: a chain of tensors without content, from each segment to the next by layer, has autograd
// run them in that order. States and what smearing remembers are replaced, as in TrainingMemory. First derivatives
// only, and of the whole graph at once: a backward pass that reaches only some segments leaves their shares behind.
//
// A segment is either padded, [B, T, ..] with prompts aligned at their end as in TrainingMemory, or packed, [1, N, ..]
// with the rows' tokens one behind the other and no padding. Layers see a packed segment as one row; only layers
// without a state may.
class StaticTrainingMemory : public Memory {
 public:
  // `padding`: columns at the left of each row. Where the device alone knows them, all must lie within the first
  // segment, and segments are padded: what is computed depends on no number of theirs, so that it can be recorded once
  // and repeated with others. `capacity`: columns a row, the padding included. `options`: dtype and device of what is
  // stored.
  StaticTrainingMemory(MemoryLayout layout, Padding padding, int64_t capacity, at::TensorOptions options);
  StaticTrainingMemory(const StaticTrainingMemory&) = delete;
  StaticTrainingMemory& operator=(const StaticTrainingMemory&) = delete;

  // Opens a padded segment of `width` columns.  -> positions [B, width]; padding has 0
  at::Tensor open(int64_t width);
  // Opens a packed segment of counts[b] tokens of row b: in the first what is left of the row's begin up to one common
  // end; later ones all begin behind that, and the last may be ragged.  -> positions [1, N]
  at::Tensor open_packed(std::span<const int64_t> counts);
  // Columns of the open segment that hold the rows' last tokens: [B] of a packed one, [1] of a padded one. A layer may
  // ask for these alone: queries of so many columns, keys and values of all.
  at::Tensor last_N() const;
  at::Tensor attend(int64_t layer, const at::Tensor& q_BHTE, const at::Tensor& k_BGTE, const at::Tensor& v_BGTE,
                    const AttentionOptions& options) override;
  at::Tensor state(int64_t layer, int64_t which) const override;
  void set_state(int64_t layer, int64_t which, const at::Tensor& value) override;
  at::Tensor real_BT() const override;
  void close();

  // A copy that goes on by itself from here, without gradient: it shares nothing that is written.
  std::unique_ptr<StaticTrainingMemory> without_gradient() const;

  // For recomputation: the number of the open segment; opening it once more, so that the layers may run again and store
  // the same; and what passes from segment to segment beside keys and values (states and the last keys before
  // smearing), as tensors that carry gradient.
  int64_t segment() const;
  void reopen(int64_t segment);
  std::vector<at::Tensor> carried() const;
  void set_carried(const std::vector<at::Tensor>& carried);

 private:
  struct Segment {
    int64_t stored = 0, width = 0;  // columns before, and its own
    QueryRows tokens, last;
    at::Tensor real_BT;
    std::map<std::pair<bool, int64_t>, std::shared_ptr<const std::vector<Tile>>> tiles;  // by whether last, and window
  };
  struct Layer {
    std::shared_ptr<StoredPrefix> stored;
    at::Tensor last_key, chain;      // the last key of each row before smearing
    std::vector<at::Tensor> states;  // undefined before the first segment
  };

  int64_t rows() const { return padding_.begin_B.size(0); }
  Segment& current() const { return *segments_.at(current_); }
  void open_segment(Segment segment);
  at::Tensor smeared(Layer& layer, const at::Tensor& k, const at::Tensor& smear_G) const;

  MemoryLayout layout_;
  Padding padding_;
  int64_t capacity_, most_padding_ = 0, stored_ = 0, current_ = -1;
  at::TensorOptions options_;
  std::vector<Layer> layers_;
  std::vector<std::shared_ptr<Segment>> segments_;
  bool with_gradient_ = true;
};

}  // namespace tacit
