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

// Items that are drawn and left out together, as all samples of one problem are: they say less than as many problems.
struct Cluster {
  double sum = 0;
  int64_t count = 0;
};

// By number of a cluster, 0, 1, .. without gaps: the items' sums. `cluster_of` is as long as `items`.
std::vector<Cluster> clusters_of(std::span<const double> items, std::span<const int64_t> cluster_of);

// The same for the mean over all items, where whole clusters are drawn; of clusters of one item each the same numbers.
Interval bootstrap_mean(std::span<const Cluster> clusters, double confidence = 0.95, int64_t resamples = 10000,
                        uint64_t seed = 0);

// 95 % score interval of a share, `hits` of `count` [Wilson 1927, "Probable inference, the law of succession, and
// statistical inference", JASA 22:209-212]: the shares p with |hits / count - p| <= z sqrt(p (1 - p) / count).
Interval wilson(int64_t hits, int64_t count);

// 95 % interval of a share over items that are 0 or 1: the bootstrap, and where all are alike, so that every resample
// is the sample and the bootstrap has no width, Wilson's.
Interval share_interval(std::span<const double> items);
Interval share_interval(std::span<const Cluster> clusters);  // Wilson's then counts clusters

// Exact McNemar test, two-sided: p of a split at least as uneven as (only_a, only_b) under a fair coin. 1 when both are
// 0.
double mcnemar(int64_t only_a, int64_t only_b);

// q-quantile with linear interpolation between order statistics (numpy's default). values need not be sorted; not
// empty.
double quantile(std::vector<double> values, double q);

}  // namespace tacit
