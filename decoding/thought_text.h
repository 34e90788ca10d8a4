#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "decoding/decode.h"
#include "lib/model/transformer.h"

namespace tacit {

// What a thought says, in the words of a decoder that was trained to rebuild its step [SIM-CoT, arXiv:2509.20317;
// latent/thought_decoder.h]: the thought's vectors [V, D] stand in place of a prompt. Greedy.
Decoded decode_thought(const std::shared_ptr<const Transformer>& decoder, const at::Tensor& thought_VD,
                       const DecodeOptions& options = {});

}  // namespace tacit
