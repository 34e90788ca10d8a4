#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "lib/memory/inference_memory.h"

namespace tacit {

class Transformer;

// Why a model cannot be packed; empty = it can. It can in fp32 or bf16, without gradients, where all blocks are
// attention and an MLP around a residual stream that latent_loop knows on the model's device, run any number of times.
std::string_view why_not_fused(const Transformer& model);

// A model packed for steps of one position a row: its weights as packed_linear reads them, its blocks as latent_loop
// runs them. Answers are those of Transformer::forward but for the order of sums and, in bf16, fewer roundings. A row's
// are bitwise the same whatever the batch. Holds a copy of the weights (on CUDA the weights themselves where they are
// contiguous and not in int8) and may be shared between threads.
class FusedModel {
 public:
  explicit FusedModel(const Transformer& model);  // fails where why_not_fused() has a reason
  ~FusedModel();

  // Whether the memory keeps every layer as latent_loop reads it: a window that is larger than the capacity does.
  static bool fits(const InferenceMemory& memory);

  struct Run {
    int64_t steps = 1;                       // N; step n > 0 consumes what step n - 1 left
    bool feed_normed = true;                 // the hidden state after the final norm, else before
    at::Tensor x_BD;                         // the first input
    std::span<const int64_t> active_B = {};  // by row: 0 = takes no part; empty = all take part
    at::Tensor hidden_BD;  // in and out, contiguous: before the final norm; rows that take no part keep theirs
    at::Tensor trace_BND;  // undefined, or zeros that become the inputs
  };
  // All of them in model dtype. The memory must have room for the steps, and grows by them.
  void run(const Run& run, InferenceMemory& memory) const;

  at::Tensor final_norm(const at::Tensor& hidden) const;  // [.., D], as run() takes it between steps
  at::Tensor logits(const at::Tensor& normed) const;      // [.., D] -> [.., V]

 private:
  struct Packed;
  std::unique_ptr<const Packed> packed_;
};

// The packed form of one Transformer. Safe to share between threads.
class FusedModelCache {
 public:
  // As long as no weight changes (Tensor::_version, or its memory) the same one; null where why_not_fused(). Always of
  // the same model, or of copies, which share its weights.
  std::shared_ptr<const FusedModel> get(const Transformer& model);

 private:
  struct Seen {
    at::Tensor weight;
    at::Storage held;  // lest other numbers come to lie at this address
    const void* data;
    int64_t version;
  };
  bool unchanged() const;

  std::mutex mutex_;
  std::vector<Seen> seen_;  // of the model that fused_ is made of
  std::shared_ptr<const FusedModel> fused_;
};

}  // namespace tacit
