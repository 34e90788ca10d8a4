#pragma once

#include <filesystem>
#include <string>

#include "lib/model/transformer.h"
#include "lib/train/adamw.h"

namespace tacit {

// Weights, optimiser moments and progress in one atomically written file.
void save_training_state(const std::filesystem::path& path, const AdamW& optimizer, int64_t step,
                         const std::string& recipe);

// Puts a saved state back into the optimiser and its leaves. Fails when `recipe` differs from the saved one,
// naming the first difference, and on progress that no training of `steps` can have made.  -> updates done
int64_t load_training_state(const std::filesystem::path& path, AdamW& optimizer, const std::string& recipe,
                            int64_t steps);

}  // namespace tacit
