#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/kernels/types.h"
#include "lib/memory/memory.h"
#include "lib/model/block.h"
#include "lib/model/config.h"
#include "lib/model/depth_run.h"
#include "lib/model/depth_trace.h"
#include "lib/model/nested_loops.h"

namespace tacit {

class FusedModel;
class FusedModelCache;

struct WeightSlot {
  std::string name;  // lib/model/slots.h
  std::vector<int64_t> shape;
};

// Every weight that a model of this config has, in the order of the computation.
std::vector<WeightSlot> weight_slots(const ModelConfig& config);

// The parts of a model, bound to its weights.
struct TransformerParts {
  TransformerParts(const ModelConfig& config, const TakeWeight& take);

  at::Tensor embedding_VD, positions_PD, unembedding_VD;
  NormLayer embedding_norm;  // embedding_norm only
  std::vector<Block> blocks;
  NormLayer final_norm;
  LinearLayer adapter;    // of an injected recurrence
  LinearLayer exit_gate;  // where the config has one
  NestedLoops nested;     // where the config has them
};

// Weights and config. Holds no state of a sequence, so one model may serve many sessions and threads.
class Transformer {
 public:
  // `weights`: one tensor for every slot, of its shape, all of one device and, but for those that stay in fp32
  // (slots::kept_in_fp32), one dtype. Fails naming the first that is missing or of another shape, or the numbers where
  // there are more.
  Transformer(ModelConfig config, std::map<std::string, at::Tensor> weights);
  // The same model with other weights. Takes the tables of positions from `like` where they lie on the same device,
  // rounded if need be. `format`: int8 = as int8_model() makes them;
  // a format of `like` is not taken over.
  Transformer(const Transformer& like, std::map<std::string, at::Tensor> weights,
              WeightFormat format = WeightFormat::scalar);

  const ModelConfig& config() const { return config_; }
  const std::map<std::string, at::Tensor>& weights() const { return weights_; }
  at::ScalarType dtype() const { return parts_.embedding_VD.scalar_type(); }
  at::Device device() const { return parts_.embedding_VD.device(); }
  // In which steps of one position read the matrices of blocks (lib/model/int8_model.h).
  WeightFormat weight_format() const { return weight_format_; }

  // Token ids [..], int64 of 0 to V - 1 -> the vectors that the first block reads [.., D] (learned positions not yet
  // added). Fails on others, on CUDA by LibTorch's assertion.
  at::Tensor embed(const at::Tensor& ids) const;
  // The same of weighted sums of tokens: weight [.., V], which is rounded to the model's dtype -> [.., D].
  at::Tensor embed_mixture(const at::Tensor& weight) const;
  // Runs all blocks on a segment that `memory` has open, of memory_layout(config(), depth.recurrences, depth.exit). x
  // [B, T, D], position [B, T] -> hidden state before the final norm. What each recurrence left is written to `trace`,
  // if given. With `wanted` (of_columns() takes it), only those columns' hidden states are given [B, N, D]: the last
  // block runs for them alone, but for what it stores. They must be what `memory` takes for the rows' last: last_N() of
  // StaticTrainingMemory, last() of InferenceMemory.
  at::Tensor forward(const at::Tensor& x_BTD, const at::Tensor& position_BT, Memory& memory, const DepthRun& depth = {},
                     DepthTrace* trace = nullptr, const at::Tensor& wanted = {}) const;
  at::Tensor final_norm(const at::Tensor& hidden) const { return parts_.final_norm(hidden); }
  // hidden after the final norm [.., D] -> logits [.., V]
  at::Tensor logits(const at::Tensor& normed) const;

  // The matrix that logits are taken with [V, D]; the embedding itself when tied.
  const at::Tensor& unembedding() const { return parts_.unembedding_VD; }

  // Rotary positions: fp32 [positions, rotary.size], undefined without.
  const at::Tensor& cos_PE() const { return cos_PE_; }
  const at::Tensor& sin_PE() const { return sin_PE_; }

  // The same model packed for steps of one position (lib/model/fused_model.h): made when first asked for, made anew
  // when a weight has changed since, as its version tells (at::Tensor::_version()). Writing past it, by data() or a
  // pointer, is not seen until weight.unsafeGetTensorImpl()->bump_version(). Null where it cannot be.
  std::shared_ptr<const FusedModel> fused() const;

 private:
  at::Tensor learned_positions(const at::Tensor& position_BT) const;
  void make_rotary_tables(const Transformer* like);
  Pass make_pass(Memory& memory, const at::Tensor& position_BT, at::ScalarType type) const;
  at::Tensor forward_grid(const at::Tensor& x_BTD, const at::Tensor& position_BT, const Memory& memory, int64_t steps,
                          DepthTrace* trace) const;
  at::Tensor exits(const std::vector<at::Tensor>& output_BTD, const DepthExit& exit, const DepthTrace& trace) const;

  ModelConfig config_;
  std::map<std::string, at::Tensor> weights_;
  TransformerParts parts_;
  WeightFormat weight_format_ = WeightFormat::scalar;
  at::Tensor cos_PE_, sin_PE_;  // fp32, rounded to the model's dtype [positions, rotary.size]
  std::shared_ptr<FusedModelCache> fused_;
};

// Fresh weights from `seed`, the same on every machine: matrices N(0, 1/in), with the block outputs divided by sqrt(2
// L) [GPT-2], L counting every run of a block, embeddings N(0, 0.02^2), norms 1, biases 0. Huginn and TRM start, as
// published, with embeddings that are of deviation 1 once scaled; TRM also with a gate that says "not yet" and starts
// N(0, 1). With `matched_attention` keys start proportional to queries, so that a head attends to what resembles the
// query [mimetic initialization, arXiv:2305.09828], and smeared heads alternate between looking at a token and at its
// right neighbour. What a layer with a state keeps, and how it shifts tokens, starts spread over its channels and
// heads (lib/model/state_layer_starts.h).
std::map<std::string, at::Tensor> random_weights(const ModelConfig& config, uint64_t seed, bool matched_attention);

// A copy whose weights are leaves of their own that require gradients (fp32).
std::shared_ptr<Transformer> trainable_copy(const Transformer& model);

}  // namespace tacit
