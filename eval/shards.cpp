#include "eval/shards.h"

#include <algorithm>

#include "eval/run_folder.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

void require_same_waves(const OrderedJson& record, const std::filesystem::path& file) {
  const Json stored = read_json(file, kEvaluateOperation);
  for (const char* name : {"batch", "shuffle"}) {
    const std::string here = record.at(name).dump(), there = stored.value(name, Json()).dump();
    require(here == there, kEvaluateOperation, "expected '", name, "' of ", there,
            ", as a process that shares this run has, but got ", here, " (", file.string(), ")");
  }
}

}  // namespace

std::filesystem::path shard_folder(const std::filesystem::path& run, int64_t rank, int64_t ranks) {
  return run / ("shard-" + std::to_string(rank) + "-of-" + std::to_string(ranks));
}

bool is_shard_folder(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("shard-") && name.find("-of-") != name.npos && is_directory(path);
}

std::vector<Sample> shard_samples(const std::filesystem::path& run, const OrderedJson& record) {
  std::vector<std::filesystem::path> shards;
  if (!is_directory(run)) return {};
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    if (is_shard_folder(entry.path()) && exists(entry.path() / "samples.jsonl")) shards.push_back(entry.path());
  }
  std::ranges::sort(shards);
  std::vector<Sample> out;
  for (const auto& shard : shards) {
    require_same_run(record, shard / "run.json");
    require_same_waves(record, shard / "run.json");
    for (Sample& sample : finished_samples(shard / "samples.jsonl", kEvaluateOperation))
      out.push_back(std::move(sample));
  }
  return out;
}

}  // namespace tacit
