#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

namespace tacit::probe {

struct KMeansOptions {
  int64_t restarts = 20;  // the best of so many starts by k-means++
  int64_t most_steps = 100;
  uint64_t seed = 0;
};
struct KMeans {
  std::vector<int64_t> labels;  // by item, 0 .. clusters - 1
  double distortion = 0;        // mean square distance of an item to its cluster's mean
};
// Lloyd's algorithm from k-means++ starts [Arthur & Vassilvitskii, SODA 2007]. x [N, D], 1 <= clusters <= N. A cluster
// that loses all its items takes the item that lies farthest from its mean.
KMeans k_means(const at::Tensor& x_ND, int64_t clusters, const KMeansOptions& options = {});

// Mean square distance of an item to the mean of its cluster.
double distortion(const at::Tensor& x_ND, std::span<const int64_t> labels);

// I(X;C) = log2 N - 1/N sum_c N_c log2 N_c, bits: what the cluster says of which item it is, all items alike likely.
double cluster_information(std::span<const int64_t> labels);

// Mutual information of two labellings, adjusted for chance: (I - E[I]) / (mean of the entropies - E[I]), E[I] exact
// under random labellings of the same sizes [Vinh, Epps & Bailey, JMLR 11 (2010) 2837-2854]; 1 for the same partition,
// about 0 for unrelated ones. As sklearn.metrics.adjusted_mutual_info_score.
double adjusted_mutual_information(std::span<const int64_t> a, std::span<const int64_t> b);

// Spearman's rank correlation, ties by mean rank; NaN where one of them does not vary. As scipy.stats.spearmanr.
double spearman(std::span<const double> a, std::span<const double> b);

}  // namespace tacit::probe
