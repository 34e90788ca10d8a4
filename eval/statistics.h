#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tacit {

struct Interval {
  double low = 0, high = 0;
};

// Percentile bootstrap of a mean over items: `resamples` draws with replacement from Rng(seed).
Interval bootstrap_mean(std::span<const double> values, double confidence = 0.95, int64_t resamples = 10000,
                        uint64_t seed = 0);

// Exact McNemar test, two-sided: p of a split at least as uneven as (only_a, only_b) under a fair coin. 1 when both are
// 0.
double mcnemar(int64_t only_a, int64_t only_b);

// q-quantile with linear interpolation between order statistics (numpy's default). values need not be sorted; not
// empty.
double quantile(std::vector<double> values, double q);

}  // namespace tacit
