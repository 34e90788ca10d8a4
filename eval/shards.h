#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "eval/sample.h"
#include "lib/core/json.h"

namespace tacit {

// What several processes that share a run write: a folder each within the run's, with a run.json and samples of its
// own. Waves of problems (eval/evaluation.h) go round among them, so every sample is that of one process alone.
std::filesystem::path shard_folder(const std::filesystem::path& run, int64_t rank, int64_t ranks);  // shard-1-of-4
bool is_shard_folder(const std::filesystem::path& path);                                            // by its name

// The samples of all shards within a run's folder, of any number of processes, by name of the folder; while a process
// writes, what it has finished. Fails where a shard is of another run than `record` says, or cut into other waves
// (another batch or order).
std::vector<Sample> shard_samples(const std::filesystem::path& run, const OrderedJson& record);

}  // namespace tacit
