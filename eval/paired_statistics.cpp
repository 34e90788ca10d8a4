#include "eval/paired_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "eval/resample.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr double kZ975 = 1.959963984540054, kZ80 = 0.8416212335729143;  // points of the normal distribution

// With n clusters of sums s and counts c, and R = sum s / sum c: n / (n - 1) sum (s - R c)^2 / (sum c)^2.
double ratio_error(std::span<const Cluster> clusters, double mean) {
  const double n = static_cast<double>(clusters.size());
  double squares = 0, count = 0;
  for (const Cluster& c : clusters) {
    const double rest = c.sum - mean * static_cast<double>(c.count);
    squares += rest * rest;
    count += static_cast<double>(c.count);
  }
  return n > 1 ? std::sqrt(n / (n - 1) * squares) / count : 0;
}

}  // namespace

Difference bootstrap_difference(std::span<const Cluster> differences, int64_t resamples, uint64_t seed) {
  const std::vector<double> means = resampled_means(differences, resamples, seed);
  Difference out;
  double sum = 0;
  int64_t count = 0;
  for (const Cluster& c : differences) sum += c.sum, count += c.count;
  out.mean = sum / static_cast<double>(count);
  out.standard_error = ratio_error(differences, out.mean);
  out.ci = {quantile(means, .025), quantile(means, .975)};
  return out;
}

// The distribution of the total, sum by sum: share[t + most] of the patterns give t.
double sign_flip_test(std::span<const int64_t> sums) {
  int64_t most = 0, found = 0;
  for (const int64_t sum : sums) most += std::abs(sum), found += sum;
  if (found == 0) return 1;
  std::vector<double> share(2 * most + 1), next(share.size());
  share[most] = 1;
  int64_t reach = 0;
  for (const int64_t sum : sums) {
    const int64_t size = std::abs(sum);
    if (size == 0) continue;
    std::fill(next.begin() + most - reach - size, next.begin() + most + reach + size + 1, 0.0);
    for (int64_t t = most - reach; t <= most + reach; ++t) {
      next[t - size] += share[t] / 2;
      next[t + size] += share[t] / 2;
    }
    reach += size;
    share.swap(next);
  }
  double tail = 0;
  for (int64_t t = 0; t <= most - std::abs(found); ++t) tail += share[t];  // the smallest first
  return std::clamp(2 * tail, std::numeric_limits<double>::min(), 1.0);    // of a thousand on one side it is no double
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](size_t i) { return p_values[i]; });
  std::vector<double> out(p_values.size());
  double largest = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    const double p = p_values[order[k]];
    require(p >= 0 && p <= 1, "holm", "expected p values from 0 to 1 but got ", p);
    largest = std::max(largest, std::min(1.0, static_cast<double>(order.size() - k) * p));
    out[order[k]] = largest;
  }
  return out;
}

// The smallest difference solves the formula for e: with s = sqrt(d), e = s (z1 sqrt(n) + z2 sqrt(n - z1^2 + z2^2)) /
// (n + z2^2), which must not exceed d, where all discordant pairs lie on one side.
PairedPower mcnemar_power(int64_t only_a, int64_t only_b, int64_t pairs, double effect) {
  require(only_a >= 0 && only_b >= 0 && pairs >= 1 && only_a + only_b <= pairs, "mcnemar_power",
          "expected discordant counts within at least 1 pair but got ", only_a, " and ", only_b, " of ", pairs);
  require(effect > 0, "mcnemar_power", "expected a design effect above 0 but got ", effect);
  const double all = static_cast<double>(pairs), d = static_cast<double>(only_a + only_b) / all;
  const double e = static_cast<double>(std::abs(only_a - only_b)) / all;
  PairedPower out;
  if (e > 0) {
    const double root = (kZ975 * std::sqrt(d) + kZ80 * std::sqrt(d - e * e)) / e;
    out.pairs = effect * root * root;
  }
  const double n = all / effect, inner = n - kZ975 * kZ975 + kZ80 * kZ80;
  if (d > 0 && inner >= 0) {
    const double least = std::sqrt(d) * (kZ975 * std::sqrt(n) + kZ80 * std::sqrt(inner)) / (n + kZ80 * kZ80);
    if (least <= d) out.smallest_difference = least;
  }
  return out;
}

double design_effect(const Difference& difference, int64_t only_a, int64_t only_b, int64_t pairs) {
  const double n = static_cast<double>(pairs), d = static_cast<double>(only_a + only_b) / n;
  const double variance = (d - difference.mean * difference.mean) / n;
  const double found = difference.standard_error * difference.standard_error;
  return variance > 0 && found > 0 ? found / variance : 1;
}

}  // namespace tacit
