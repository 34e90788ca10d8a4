#pragma once

#include "lib/train/trainer.h"

namespace tacit {

// What one update, or one micro-batch's part of it, came to.
struct Update {
  double loss = 0, gradient_norm = 0;
  Figures figures;
  int64_t tokens = 0;
};

// One update of the leaves from the micro-batches of all processes. Fails on a loss or gradient that is not finite,
// before any weight has changed, in all processes alike.
Update run_update(const TrainedWeights& weights, const TrainingProblem& problem, const TrainerOptions& options,
                  AdamW& optimizer, DataParallel& ranks, int64_t step);

// The mean over all processes, bit for bit the same in all.
Figures mean_figures(const Figures& figures, DataParallel& ranks, const std::string& what);

}  // namespace tacit
