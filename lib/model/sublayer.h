#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "lib/memory/memory.h"
#include "lib/model/layers.h"

namespace tacit {

// What all blocks share while a segment runs through the model.
struct Pass {
  Memory& memory;
  at::Tensor position_BT;         // int64
  at::Tensor cos_B1TE, sin_B1TE;  // model dtype; undefined without rotary positions
  at::Tensor cos_PE, sin_PE;      // the tables that these are of: fp32, rounded to the model's dtype
  at::Tensor first_value_BTD;     // the first RWKV-7 layer's values, which later ones mix in
  at::Tensor wanted;              // the only columns whose output is wanted of this block, as of_columns() takes them
};

// Half of a block: attention or what stands in its place, or the feed-forward part. Holds weights only.
class Sublayer {
 public:
  virtual ~Sublayer() = default;
  // Normalised x [B, T, D] -> what is added to the residual stream [B, T, D]. `layer` is the block's place in the
  // memory: with recurrent depth each recurrence has its own. Where only some columns are wanted, a mixer may give
  // those alone.
  virtual at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const = 0;
};

// One file each under lib/model/sublayers. `take` names weights within the block, `layer` is the block's number.
std::unique_ptr<Sublayer> make_attention(const ModelConfig& config, const TakeWeight& take);
std::unique_ptr<Sublayer> make_latent_attention(const ModelConfig& config, const TakeWeight& take);
std::unique_ptr<Sublayer> make_rwkv7_time_mix(const ModelConfig& config, int64_t layer, const TakeWeight& take);
std::unique_ptr<Sublayer> make_log_linear(const ModelConfig& config, const TakeWeight& take);
std::unique_ptr<Sublayer> make_mlp(const ModelConfig& config, const TakeWeight& take);
std::unique_ptr<Sublayer> make_experts(const ModelConfig& config, const TakeWeight& take);
std::unique_ptr<Sublayer> make_rwkv7_channel_mix(const ModelConfig& config, const TakeWeight& take);

// Those that the config chooses for block number `layer`.
std::unique_ptr<Sublayer> make_mixer(const ModelConfig& config, int64_t layer, const TakeWeight& take);
std::unique_ptr<Sublayer> make_feed_forward(const ModelConfig& config, int64_t layer, const TakeWeight& take);

}  // namespace tacit
