#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "eval/resample.h"
#include "lib/core/error.h"

namespace tacit {

std::vector<Cluster> clusters_of(std::span<const double> items, std::span<const int64_t> cluster_of) {
  require(items.size() == cluster_of.size(), "clusters", "expected a cluster for each of ", items.size(),
          " items but got ", cluster_of.size());
  std::vector<Cluster> out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (cluster_of[i] >= std::ssize(out)) out.resize(cluster_of[i] + 1);
    out[cluster_of[i]].sum += items[i];
    ++out[cluster_of[i]].count;
  }
  return out;
}

Interval bootstrap_mean(std::span<const double> values, double confidence, int64_t resamples, uint64_t seed) {
  std::vector<Cluster> clusters;
  for (const double value : values) clusters.push_back({value, 1});
  return bootstrap_mean(std::span<const Cluster>(clusters), confidence, resamples, seed);
}

Interval bootstrap_mean(std::span<const Cluster> clusters, double confidence, int64_t resamples, uint64_t seed) {
  require(confidence > 0 && confidence < 1, "bootstrap_mean", "expected a confidence between 0 and 1 but got ",
          confidence);
  const std::vector<double> means = resampled_means(clusters, resamples, seed);
  const double tail = (1 - confidence) / 2;
  return {quantile(means, tail), quantile(means, 1 - tail)};
}

Interval wilson(int64_t hits, int64_t count) {
  require(count >= 1 && hits >= 0 && hits <= count, "wilson", "expected 0 to n hits of n, at least 1, but got ", hits,
          " of ", count);
  constexpr double z = 1.959963984540054;  // 97.5 % of the normal distribution lie below
  const double n = static_cast<double>(count), p = static_cast<double>(hits) / n;
  const double scale = 1 / (1 + z * z / n), centre = scale * (p + z * z / (2 * n));
  const double half = scale * z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {hits == 0 ? 0 : centre - half, hits == count ? 1 : centre + half};
}

Interval share_interval(std::span<const double> items) {
  const int64_t count = std::ssize(items), hits = std::count(items.begin(), items.end(), 1.0);
  return count > 0 && (hits == 0 || hits == count) ? wilson(hits, count) : bootstrap_mean(items);
}

Interval share_interval(std::span<const Cluster> clusters) {
  const int64_t count = std::ssize(clusters);
  const bool none = std::ranges::all_of(clusters, [](const Cluster& c) { return c.sum == 0; });
  const bool all =
      std::ranges::all_of(clusters, [](const Cluster& c) { return c.sum == static_cast<double>(c.count); });
  return count > 0 && (none || all) ? wilson(none ? 0 : count, count) : bootstrap_mean(clusters);
}

// With k = min(a, b) and n = a + b: p = 2 P(X <= k) for X ~ Binomial(n, 1/2), at most 1. The log of C(n, k) / 2^n is
// summed factor by factor; the terms below it follow from C(n, i - 1) = C(n, i) i / (n - i + 1).
double mcnemar(int64_t only_a, int64_t only_b) {
  require(only_a >= 0 && only_b >= 0, "mcnemar", "expected counts of at least 0 but got ", only_a, " and ", only_b);
  if (only_a == only_b) return 1;
  const int64_t k = std::min(only_a, only_b), n = only_a + only_b;
  double log_term = -static_cast<double>(n) * std::numbers::ln2;
  for (int64_t i = 1; i <= k; ++i) log_term += std::log(static_cast<double>(n - k + i) / static_cast<double>(i));
  double sum = 0, term = 1;  // relative to the term at k
  for (int64_t i = k; i >= 0 && term > 0; --i) {
    sum += term;
    term *= static_cast<double>(i) / static_cast<double>(n - i + 1);
  }
  return std::min(1.0, 2 * std::exp(log_term) * sum);
}

double quantile(std::vector<double> values, double q) {
  require(!values.empty(), "quantile", "expected at least one value");
  require(q >= 0 && q <= 1, "quantile", "expected q between 0 and 1 but got ", q);
  const double place = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const auto low = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), low, values.end());
  if (below + 1 == values.size()) return *low;
  const double next = *std::min_element(low + 1, values.end());
  return *low + (next - *low) * (place - static_cast<double>(below));
}

}  // namespace tacit
