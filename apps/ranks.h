#pragma once

#include "lib/train/data_parallel.h"

namespace tacit {

// Completes `options` from what torchrun sets for each process that it starts: RANK, WORLD_SIZE, MASTER_ADDR,
// MASTER_PORT and TORCHELASTIC_USE_AGENT_STORE (who opens the port). Without WORLD_SIZE there is one process. Fails on
// values that cannot be and on a number of processes other than the recipe's, `options.world_size` where it is above 1.
void join_ranks(DataParallelOptions& options, double timeout_s);

}  // namespace tacit
