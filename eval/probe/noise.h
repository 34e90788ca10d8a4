#pragma once

#include <vector>

#include "eval/probe/chart.h"
#include "eval/probe/thinkers.h"

namespace tacit::probe {

// Accuracy against Gaussian noise added to every thought, its size relative to the thought's root mean square (1 = as
// long as the thought itself), then noise in the thought's place, as long as it was: its direction alone is lost, its
// length is kept. Beside it the same model without thoughts and one of random weights. Zeros are not among them: what
// is unlike anything that a model has seen proves nothing about thoughts [arXiv:2607.20952].
struct NoiseOptions {
  std::vector<double> sizes = {0, .25, .5, 1, 2, 4, 8};
};
ProbeReport probe_noise(const LoadedModel& model, const RunOptions& run, const NoiseOptions& options = {});

}  // namespace tacit::probe
