#pragma once

#include <memory>

namespace tacit {

class Transformer;

// The same model with the matrices of its blocks in int8, a scale an output (lib/kernels/int8_rows.h); embeddings,
// vocabulary, norms and biases stay. Its weights are of the model's dtype, every one the nearest to what int8 holds:
// prompts read those. Steps of one position (Transformer::fused()) read the int8, half the bytes of bf16: in fp32 the
// same numbers, in bf16 before they were rounded. Fails with why_not_fused()'s reason where there are no such steps,
// and on CUDA in fp32.
std::shared_ptr<const Transformer> int8_model(const Transformer& model);

}  // namespace tacit
