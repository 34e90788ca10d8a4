#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>

#include "lib/model/config.h"

namespace tacit {

// Sets those fresh weights that say what a layer with a state reads and how long it remembers. They are spread over
// channels and heads, so that some remember a few tokens and others hundreds; nothing is drawn.
//   RWKV-7      as its authors start it [arXiv:2503.14456; github.com/BlinkDL/RWKV-LM]: token shifts of 0 to 1, later
//               blocks nearer 0; decays of 0.55 to 0.9998 a token; rates of removal about 0.45.
//   log-linear  a head keeps 0.6 to 0.995 of a state each token; every level weighs 1.
// Matrices that move decays, rates, value mixes and level weights away from there start at a tenth of their size.
void start_state_layers(const ModelConfig& config, std::map<std::string, at::Tensor>& weights);

}  // namespace tacit
