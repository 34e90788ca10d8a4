#pragma once

#include <filesystem>
#include <string>

#include "lib/train/adamw.h"
#include "lib/train/selection.h"
#include "lib/train/trained_weights.h"

namespace tacit {

// All that a training goes on from; the references are to what is saved and restored.
struct TrainingState {
  const TensorMap& leaves;
  AdamW& optimizer;
  const WeightAverage& average;
  Selection& selection;
  std::string fixed_hash;  // of the weights that are not trained, which the file does not hold
};

// Weights, optimiser moments, averages, the best weights and progress in one atomically written file: tensors
// "weight/NAME", "first_moment/NAME", "second_moment/NAME", "average/NAME", "best/NAME".
void save_training_state(const std::filesystem::path& path, const TrainingState& state, int64_t step,
                         const std::string& recipe);

// Fails unless `recipe` is the one that the state in `path` was begun with, naming the first field that differs and
// both its values. Its field "steps" may differ as long as no update that was done is beyond it.
void require_same_recipe(const std::filesystem::path& path, const std::string& recipe);

// Puts a saved state back. Fails as require_same_recipe does, on weights other than those it was begun beside, and on
// progress that no training can have made.  -> updates done
int64_t load_training_state(const std::filesystem::path& path, const TrainingState& state, const std::string& recipe);

// Where two recipes differ first: "'reach.max_depth' of 6 but got 8"; empty where they do not.
std::string recipe_difference(const std::string& expected, const std::string& found);

}  // namespace tacit
