#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

struct Dimension {
  // Participation ratio (sum of the covariance's eigenvalues)^2 / sum of their squares: 1 on a line, k where k
  // directions vary alike.
  double participation = 0;
  int64_t components = 0;  // least number of principal components that hold `share` of the variance
  int64_t samples = 0, width = 0;
};
// Of vectors [N, D], N >= 2, about their mean. Where nothing varies both are 0.
Dimension dimension(const at::Tensor& x_ND, double share = .9);

// The participation ratio alone, without eigenvalues.
double participation_ratio(const at::Tensor& x_ND);

// What participation_ratio is about for N vectors of isotropic Gaussian noise in `width` dimensions: from E[tr S] and
// E[tr S^2] of a Wishart matrix with n = N - 1 degrees of freedom, (n D + 2) / (n + D + 1).
double isotropic_participation(int64_t samples, int64_t width);

// Effective dimension of thoughts, by step, against their width. `against`: another checkpoint, of written chains for
// instance, whose states stand beside them; may be null. Fails where it is asked other problems.
struct DimensionOptions {
  double share = .9;
  int64_t resamples = 200;
};
ProbeReport probe_dimension(const LoadedModel& model, const RunOptions& run, const LoadedModel* against = nullptr,
                            const RunOptions* against_run = nullptr, const DimensionOptions& options = {});

}  // namespace tacit::probe
