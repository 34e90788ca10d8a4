#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "lib/model/config.h"

namespace tacit {

// Radians a position for each pair of rotated dimensions, after the config's scaling: theta^(-2i/size) for i in
// 0 .. size/2 - 1, stretched as in Llama 3.1 [arXiv:2407.21783, released code] or YaRN [arXiv:2309.00071].
std::vector<double> rotary_frequencies(const RotaryConfig& rotary);

// YaRN's factor on cosine and sine where the config names none: 0.1 ln(factor) + 1 [section 3.4].
double yarn_amplitude(double factor);

// Cosine and sine of the angles of positions 0 .. positions - 1, fp32 [positions, size], as rotary_reference() reads
// them.
struct RotaryTable {
  at::Tensor cos_PE, sin_PE;
};
RotaryTable rotary_table(const RotaryConfig& rotary, int64_t positions);

}  // namespace tacit
