#pragma once

#include "apps/options.h"
#include "lib/train/data_parallel.h"

namespace tacit {

// Completes `options` from what torchrun sets for each process that it starts: RANK, WORLD_SIZE, MASTER_ADDR,
// MASTER_PORT and TORCHELASTIC_USE_AGENT_STORE (who opens the port). Without WORLD_SIZE there is one process. Fails on
// values that cannot be and on a number of processes other than the recipe's, `options.world_size` where it is above 1.
void join_ranks(DataParallelOptions& options, double timeout_s);

// Where a process computes that was told `cuda`: of several, which torchrun starts, each on the device of its
// LOCAL_RANK. Any other name stays as it is.
std::string device_of_rank(const std::string& name);

// RANK and WORLD_SIZE, for work that needs no word between processes; 0 of 1 without WORLD_SIZE. UsageError on values
// that cannot be.
struct Ranks {
  int64_t rank = 0, ranks = 1;
};
Ranks read_ranks();
// UsageError where several processes share a run that is written nowhere.
void check_ranks(const Options& options, bool has_out);

}  // namespace tacit
