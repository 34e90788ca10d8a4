#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <span>
#include <string>

#include "eval/probe/chart.h"
#include "eval/probe/clusters.h"
#include "eval/probe/human_categories.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

// Rate against distortion of a partition of vectors [Shani et al., arXiv:2505.17117, eq. 4]: L = I(X;C) + beta * D, I
// in bits (cluster_information), D mean square distance within clusters, in the vectors' own unit: beta sets what a
// unit is worth.
struct Compression {
  double information = 0, distortion = 0, loss = 0;
};
Compression compression(const at::Tensor& x_ND, std::span<const int64_t> labels, double beta = 1);

// Token embeddings against human categories: agreement of k-means clusters with the categories (AMI), typicality
// (Spearman of the closeness to the category's name with the ratings, by category), L of the human categories, of
// k-means and of random clusters over numbers of clusters. Controls: random weights, and shuffled categories. Words
// that the tokenizer cannot write are named in the report. Needs no task and no thoughts.
struct CompressionOptions {
  std::filesystem::path items;  // read_categories()
  std::string subset;           // of the file, "" = all
  double beta = 1;
  int64_t shuffles = 200;  // of the categories, for what agreement is worth by chance
  KMeansOptions k_means;
};
ProbeReport probe_compression(const LoadedModel& model, const CompressionOptions& options);

}  // namespace tacit::probe
