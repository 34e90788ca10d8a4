#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "eval/statistics.h"

namespace tacit {

// Means over all items of `resamples` draws of as many clusters as there are, with replacement. Resample by resample,
// each draw takes the next 32 bits of Rng(seed), x, and the cluster x n / 2^32, rounded down; an x whose product with n
// has a remainder below 2^32 mod n is passed over [Lemire 2019, arXiv:1805.10941].
std::vector<double> resampled_means(std::span<const Cluster> clusters, int64_t resamples, uint64_t seed);

}  // namespace tacit
