#pragma once

#include "lib/memory/layout.h"
#include "lib/model/config.h"
#include "lib/model/depth_run.h"

namespace tacit {

// What a model of this config keeps of a sequence, by place in the memory: the prelude's blocks, then those of each
// recurrence, then the coda's; nothing where a grid is read at once. `recurrences` 0 = the config's own number. Where
// positions leave early, the coda runs, and remembers, after every recurrence.
MemoryLayout memory_layout(const ModelConfig& config, int64_t recurrences = 0, const DepthExit& exit = {});

}  // namespace tacit
