#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/statistics.h"

namespace tacit {

// A mean of paired differences.
struct Difference {
  double mean = 0;
  Interval ci;                // 95 %, percentiles of the bootstrap
  double standard_error = 0;  // of a ratio of sums, clusters the units [Cochran 1977, "Sampling techniques", eq. 6.13]
};

// Paired bootstrap of the mean over all differences, whole clusters drawn.
Difference bootstrap_difference(std::span<const Cluster> differences, int64_t resamples = 10000, uint64_t seed = 0);

// Exact two-sided randomisation test of paired differences, each cluster's sum the unit [Fisher 1935, "The design of
// experiments", 21]: if the two sides were alike, each sum would as likely have the other sign. p is the share of all
// sign patterns whose total is at least as far from 0 as the one found. Of sums of -1, 0 and 1 it is McNemar's. Where
// one side's sample counts several times against as many of the other, sums are not symmetric and p is an
// approximation.
double sign_flip_test(std::span<const int64_t> sums);

// Adjusted p values of a family of tests, in the order given: of the k-th smallest of m, the largest of (m - j + 1) p_j
// over j <= k, at most 1 [Holm 1979, "A simple sequentially rejective multiple test procedure"].
std::vector<double> holm(std::span<const double> p_values);

// What McNemar's test at 5 % can find with 80 % power, by the normal approximation [Connor 1987, Biometrics
// 43:207-211]: with a share `d` of discordant pairs and a difference `e`, pairs = ((z.975 sqrt(d) + z.8 sqrt(d - e^2))
// / e)^2. `design_effect`: how many pairs say as much as one independent one.
struct PairedPower {
  std::optional<double> pairs;                // needed at the rates found; none where both sides are equal
  std::optional<double> smallest_difference;  // that as many pairs find at this `d`; none where no difference is
};
PairedPower mcnemar_power(int64_t only_a, int64_t only_b, int64_t pairs, double design_effect = 1);

// Variance of the mean difference over that of as many independent pairs; 1 where nothing varies.
double design_effect(const Difference& difference, int64_t only_a, int64_t only_b, int64_t pairs);

}  // namespace tacit
