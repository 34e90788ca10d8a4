#include "eval/probe/jackknife.h"

#include <cmath>

#include "lib/core/rng.h"

namespace tacit::probe {

Estimate jackknife(double value, int64_t items, const std::function<double(const std::vector<int64_t>& kept)>& of) {
  constexpr int64_t kGroups = 10;
  const Estimate without{value, value, value, items};
  if (items < 2 * kGroups || !std::isfinite(value)) return without;
  const std::vector<int64_t> order = Rng(0).permutation(items);
  std::vector<double> values;
  for (int64_t g = 0; g < kGroups; ++g) {
    std::vector<int64_t> kept;
    for (int64_t i = 0; i < items; ++i) {
      if (i % kGroups != g) kept.push_back(order[i]);
    }
    values.push_back(of(kept));
    if (!std::isfinite(values.back())) return without;
  }
  double mean = 0, square = 0;
  for (const double v : values) mean += v;
  mean /= kGroups;
  for (const double v : values) square += (v - mean) * (v - mean);
  const double half = 1.96 * std::sqrt(square * (kGroups - 1) / kGroups);
  return {value, value - half, value + half, items};
}

}  // namespace tacit::probe
