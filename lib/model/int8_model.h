#pragma once

#include <memory>

namespace tacit {

class Transformer;

// The same model with the matrices of its blocks in int8, a scale an output (lib/kernels/int8_rows.h); embeddings,
// vocabulary, norms and biases stay. Its weights are of the model's dtype, every one the nearest to what int8 holds:
// prompts read those. Steps of one position that run on the packed form (Transformer::fused()) read the int8, half the
// bytes of bf16: in fp32 the same numbers but for their last place, in bf16 before they were rounded. Both are held in
// memory: it is reading that is saved. Fails with why_not_fused()'s reason where there are no such steps,
// and on CUDA in fp32.
std::shared_ptr<const Transformer> int8_model(const Transformer& model);

}  // namespace tacit
