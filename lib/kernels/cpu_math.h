#pragma once

#include <bit>
#include <cstdint>

#include "lib/kernels/bf16.h"

namespace tacit {

// Functions without branches or calls, so that a loop over them becomes vector code.

// e^x to 2 units in the last place; x outside of -87 .. 88 counts as the nearer bound, NaN stays NaN. [Cephes, expf]
[[gnu::always_inline]] inline float exp_of(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer
  const float n = (x * 1.44269504088896341f + round) - round;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// erfc(z) for z >= 0, to 1.2e-7 of itself in exact arithmetic. [Numerical Recipes, section 6.2, erfcc]
[[gnu::always_inline]] inline float erfc_of(float z) {
  const float t = 1 / (1 + 0.5f * z);
  float p = 0.17087277f;
  p = p * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  return t * exp_of(p - z * z);
}

}  // namespace tacit
