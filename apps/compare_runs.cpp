#include <algorithm>
#include <optional>
#include <set>

#include "apps/compare_out.h"
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

// Of the problems that the run was made of; none where it does not say.
std::optional<uint64_t> seed_of(const Run& run) {
  const OrderedJson& record = run.record;
  if (!record.is_object() || !record.contains("seed") || !record.at("seed").is_number_unsigned()) return {};
  return record.at("seed").get<uint64_t>();
}

std::string listed(const std::set<uint64_t>& seeds) {
  std::string out;
  for (const uint64_t seed : seeds) out += (out.empty() ? "" : ", ") + std::to_string(seed);
  return out;
}

// Leaves the runs on seeds that all rows have. -> a note on the others, "" where there are none or a run does not say.
std::string keep_common_seeds(std::vector<ComparedRow>& rows) {
  std::vector<std::set<uint64_t>> seeds(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const Run& run : rows[r].runs) {
      const std::optional<uint64_t> seed = seed_of(run);
      if (!seed) return "";
      seeds[r].insert(*seed);
    }
  }
  std::set<uint64_t> common = seeds[0];
  for (const auto& own : seeds) std::erase_if(common, [&](uint64_t seed) { return !own.contains(seed); });
  std::string left_out, all;
  for (size_t r = 0; r < rows.size(); ++r) {
    all += (all.empty() ? "" : " and ") + listed(seeds[r]) + " (" + rows[r].name + ")";
    std::erase_if(seeds[r], [&](uint64_t seed) { return common.contains(seed); });
    if (!seeds[r].empty()) left_out += (left_out.empty() ? "" : "; ") + rows[r].name + " " + listed(seeds[r]);
  }
  require(!common.empty(), "compare", "expected runs on the same problems but got 'seed' of ", all);
  if (left_out.empty()) return "";
  for (ComparedRow& row : rows)
    std::erase_if(row.runs, [&](const Run& run) { return !common.contains(*seed_of(run)); });
  return "compared on the runs of seed " + listed(common) + ", which all rows have; left out: " + left_out;
}

}  // namespace

ComparedRows read_rows(const Options& options, const CompareFlags& flags) {
  ComparedRows out;
  std::vector<std::string> names;
  for (const RowArgument& row : flags.runs) names.push_back(row.name);
  flags.check_baseline(options, names);
  check_report_rows(flags.out, names);
  for (const RowArgument& row : flags.runs) {
    ComparedRow read{.name = row.name, .runs = {}};
    for (const auto& folder : row.folders) {
      for (const auto& run : run_folders(folder)) read.runs.push_back(read_run(run));
    }
    out.rows.push_back(std::move(read));
  }
  const std::string left_out = keep_common_seeds(out.rows);
  std::map<std::string, std::vector<OrderedJson>> records_of_rows;
  for (const ComparedRow& row : out.rows) {
    for (const Run& run : row.runs) records_of_rows[row.name].push_back(run.record);
  }
  check_report_sources(flags.out, records_of_rows);
  if (!left_out.empty()) out.notes.push_back(left_out);
  out.clean = clean_rows(out.rows);
  return out;
}

}  // namespace tacit
