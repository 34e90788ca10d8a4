#include "lib/model/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tacit {
namespace {

// Long waves are stretched, short ones kept, those between blended.
double llama3_frequency(double frequency, const RotaryConfig& rotary) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double positions = static_cast<double>(rotary.original_positions);
  if (wavelength > positions / rotary.low_frequency_factor) return frequency / rotary.factor;
  if (wavelength < positions / rotary.high_frequency_factor) return frequency;
  const double blend = (positions / wavelength - rotary.low_frequency_factor) /
                       (rotary.high_frequency_factor - rotary.low_frequency_factor);
  return (1 - blend) * frequency / rotary.factor + blend * frequency;
}

// Which dimension pair turns `turns` times within the original context; a real number.
double dimension_of(double turns, const RotaryConfig& rotary) {
  const double positions = static_cast<double>(rotary.original_positions);
  return static_cast<double>(rotary.size) * std::log(positions / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(rotary.theta));
}

// The same three ranges by dimension, blended linearly between the two limits.
double yarn_frequency(int64_t i, double frequency, const RotaryConfig& rotary) {
  double low = dimension_of(rotary.fast_turns, rotary), high = dimension_of(rotary.slow_turns, rotary);
  if (rotary.whole_dimensions) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rotary.size) - 1);
  if (low == high) high += 0.001;  // as the released code: no division by zero
  const double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
  return stretched * frequency / rotary.factor + (1 - stretched) * frequency;
}

}  // namespace

std::vector<double> rotary_frequencies(const RotaryConfig& rotary) {
  std::vector<double> out;
  for (int64_t i = 0; i < rotary.size / 2; ++i) {
    const double frequency = std::pow(rotary.theta, -2.0 * static_cast<double>(i) / static_cast<double>(rotary.size));
    switch (rotary.scaling) {
      case RotaryConfig::Scaling::none: out.push_back(frequency); break;
      case RotaryConfig::Scaling::linear: out.push_back(frequency / rotary.factor); break;
      case RotaryConfig::Scaling::llama3: out.push_back(llama3_frequency(frequency, rotary)); break;
      case RotaryConfig::Scaling::yarn: out.push_back(yarn_frequency(i, frequency, rotary)); break;
    }
  }
  return out;
}

double yarn_amplitude(double factor) { return factor <= 1 ? 1 : 0.1 * std::log(factor) + 1; }

RotaryTable rotary_table(const RotaryConfig& rotary, int64_t positions) {
  const at::Tensor frequency = at::tensor(rotary_frequencies(rotary), at::kDouble).to(at::kFloat);
  const at::Tensor angle = at::outer(at::arange(positions, at::kFloat), frequency);
  const auto each_dimension = [&](const at::Tensor& x) {
    return (rotary.interleaved ? x.repeat_interleave(2, 1) : at::cat({x, x}, 1)) * rotary.amplitude;
  };
  return {each_dimension(angle.cos()), each_dimension(angle.sin())};
}

}  // namespace tacit
