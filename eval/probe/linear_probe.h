#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

struct LinearProbeOptions {
  double ridge = .1;       // lambda / N on standardised features
  double test_share = .3;  // of the items, drawn by `seed`
  uint64_t seed = 0;       // of the split and of the permutation
};
struct LinearProbe {
  std::vector<double> hits;      // by test item, 1 or 0
  std::vector<double> permuted;  // the same where the training labels were shuffled: what the probe scores on nothing
  double majority = 0;           // accuracy on the test items of always naming the training items' commonest label
  std::vector<int64_t> test;     // the items' indices
  at::Tensor scores_NC;          // of the test items; columns are classes 0 .. largest label
  int64_t classes = 0;           // labels that occur
};
// Ridge regression onto one column a class, closed form: W = (X^T X / N + lambda I)^-1 X^T Y / N with X standardised on
// the training items and Y the one-hot labels about their mean; the answer is the largest column. x [N, D], labels >=
// 0. Fails below 10 items.
LinearProbe linear_probe(const at::Tensor& x_ND, const std::vector<int64_t>& labels,
                         const LinearProbeOptions& options = {});

// What a thought holds: target, root, distance of the target and next node of the reference path, read from thought k
// by a linear probe, for the checkpoint and its controls. On tasks with graphs. Chance is measured: labels shuffled.
ProbeReport probe_goal(const LoadedModel& model, const RunOptions& run, const LinearProbeOptions& options = {});

}  // namespace tacit::probe
