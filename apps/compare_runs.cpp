#include <algorithm>

#include "apps/compare_rows.h"
#include "eval/shards.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// Folder by folder, "seed-9" before "seed-10".
bool in_order(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto before = [](const std::filesystem::path& x, const std::filesystem::path& y) {
    return std::pair(x.string().size(), x.string()) < std::pair(y.string().size(), y.string());
  };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), before);
}

// The folder itself, or the runs within it.
std::vector<std::filesystem::path> run_folders(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  if (!is_directory(folder) || exists(folder / "run.json")) return {folder};
  for (auto it = std::filesystem::recursive_directory_iterator(folder); it != decltype(it)(); ++it) {
    if (!it->is_directory()) continue;
    if (is_shard_folder(it->path())) {
      it.disable_recursion_pending();
    } else if (exists(it->path() / "run.json")) {
      out.push_back(it->path());
    }
  }
  std::ranges::sort(out, in_order);
  return out.empty() ? std::vector{folder} : out;
}

bool is_changed(const ComparedRow& row) {
  const OrderedJson& record = row.runs[0].record;
  return record.is_object() && record.contains("intervention");
}

// What a run records, without its intervention and what changes no answer. Names in order, as a record that was read.
Json compared_record(const Run& run) {
  Json record = run.record;
  for (const char* name : {"intervention", "intervention_seed", "command", "model_path", "data_path", "task_path",
                           "cpu", "threads", "batch", "shuffle", "latency_problems", "method"})
    record.erase(name);
  return record;
}

// Rows that are another one with nothing but the thoughts changed, as far as the runs record it.
std::map<std::string, std::string> clean_rows(const std::vector<ComparedRow>& rows) {
  std::map<std::string, std::string> out;
  for (const ComparedRow& row : rows) {
    if (!is_changed(row)) continue;
    const auto own = std::ranges::find_if(rows, [&](const ComparedRow& other) {
      return !is_changed(other) && std::ranges::equal(row.runs, other.runs, {}, compared_record, compared_record);
    });
    if (own != rows.end()) out[row.name] = own->name;
  }
  return out;
}

}  // namespace

ComparedRows read_rows(const Options& options, const CompareFlags& flags) {
  ComparedRows out;
  std::vector<std::string> names;
  for (const RowArgument& row : flags.runs) names.push_back(row.name);
  flags.check_baseline(options, names);
  for (const RowArgument& row : flags.runs) {
    ComparedRow read{.name = row.name, .runs = {}};
    for (const auto& folder : row.folders) {
      for (const auto& run : run_folders(folder)) read.runs.push_back(read_run(run));
    }
    out.rows.push_back(std::move(read));
  }
  out.clean = clean_rows(out.rows);
  return out;
}

}  // namespace tacit
