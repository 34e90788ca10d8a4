#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

struct Separation {
  double d = 0;    // Tr(S_W S_B^+) [He & Su, "A law of data separation in deep learning", PNAS 120(36) e2221704120]
  double nc1 = 0;  // d / K, variability collapse [Papyan, Han & Donoho, PNAS 117(40):24652]
  double within = 0, between = 0;  // mean square distance of an item to its class mean, of class means to the whole's
  int64_t classes = 0, items = 0;
};
// Of vectors [N, D] in classes: S_W = 1/N sum_i (x_i - mean_c(i)) (..)^T, S_B = sum_c N_c/N (mean_c - mean) (..)^T.
// Classes of one item are left out, since they have no spread. Fails below two classes; d is infinite where the class
// means coincide.
Separation separation(const at::Tensor& x_ND, const std::vector<int64_t>& labels);

// log d against the layer's number by least squares: d_l = d_0 * ratio^l. r is the correlation; NaN below 3 layers.
struct LogLinear {
  double ratio = 0, r = 0;
};
LogLinear log_linear(std::span<const double> d_by_layer);

// Separation of the answers, or of the first node of the path, by layer at the position that gives the answer.
struct SeparabilityOptions {
  bool next_node = false;     // classes: first node of the reference path; else the answer
  int64_t permutations = 40;  // shuffles of the labels: what d is on nothing
};
ProbeReport probe_separability(const LoadedModel& model, const RunOptions& run,
                               const SeparabilityOptions& options = {});

}  // namespace tacit::probe
