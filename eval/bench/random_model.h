#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

#include "lib/model/transformer.h"

namespace tacit {

// A model of this shape to be timed, made by all threads in seconds where make_model() would take minutes: matrices
// uniform with deviation 1/sqrt(inputs), tables with deviation 0.02, norms 1, biases 0, states as fresh models start
// them. The same for a seed whatever the number of threads.
std::shared_ptr<const Transformer> random_model(const ModelConfig& config, at::ScalarType dtype, at::Device device,
                                                uint64_t seed);

}  // namespace tacit
