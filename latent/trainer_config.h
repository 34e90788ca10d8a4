#pragma once

#include <string>
#include <vector>

#include "lib/core/json.h"
#include "lib/train/trainer.h"

namespace tacit {

// The part of a recipe that is the trainer's, beside the other fields of the same object (docs/training.md).
const std::vector<std::string>& trainer_fields();
// Reads the fields given, keeping the others. `seed` is that of the low-rank factors.
void read_trainer(const JsonReader& in, uint64_t seed, TrainerOptions& options);
// Writes all but "steps" and "accumulate", which stand earlier in a recipe; what is off is left out.
void put_trainer(const TrainerOptions& options, OrderedJson& out);

}  // namespace tacit
