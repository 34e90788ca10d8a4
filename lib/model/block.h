#pragma once

#include <memory>

#include "lib/model/sublayer.h"

namespace tacit {

// One block: a mixer and a feed-forward part around the residual stream, in the order that the config names.
class Block {
 public:
  Block(const ModelConfig& config, int64_t number, const TakeWeight& take);
  // `layer`: place in the memory.
  at::Tensor operator()(const at::Tensor& x_BTD, int64_t layer, Pass& pass) const;

 private:
  Residual residual_;
  NormLayer mixer_norm_, feed_forward_norm_;
  NormLayer mixer_post_norm_, feed_forward_post_norm_;  // pass their input on but in sandwiched and post-norm blocks
  std::shared_ptr<const Sublayer> mixer_, feed_forward_;
};

}  // namespace tacit
