#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "latent/objective.h"
#include "lib/model/transformer.h"

namespace tacit {

// A second model that turns a thought into the words of its step [SIM-CoT, arXiv:2509.20317]: the thought's vectors
// stand first, as a prompt would, the step follows. Its weights are a method's own, "decoder.NAME" for the model's
// NAME.

// Those of `start`, or fresh ones.
MethodWeights decoder_weights(const ModelConfig& config, const Transformer* start, uint64_t seed);

// The decoder among a method's weights. Fails where there is none.
std::shared_ptr<const Transformer> thought_decoder(const ModelConfig& config, const MethodWeights& weights);

// Cross entropy of step n's tokens behind thought n, mean over all tokens; undefined where there are none.
// thoughts_NVD [N, V, D]: V vectors each.
at::Tensor reconstruction_loss(const Transformer& decoder, const at::Tensor& thoughts_NVD,
                               const std::vector<std::vector<int64_t>>& steps);

}  // namespace tacit
