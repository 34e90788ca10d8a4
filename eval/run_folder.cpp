#include "eval/run_folder.h"

#include <algorithm>
#include <utility>

#include "eval/shards.h"
#include "lib/core/error.h"
#include "lib/model/arithmetic.h"

namespace tacit {
namespace {

// Fields of run.json that two sessions of one run may differ in.
bool may_differ(const std::string& pointer) {
  static const std::vector<std::string> free = {"/command",   "/batch",     "/shuffle", "/model_path", "/limit_of",
                                                "/data_path", "/task_path", "/cpu",     "/rescored",   "/writes"};
  return std::any_of(free.begin(), free.end(),
                     [&](const std::string& f) { return pointer == f || pointer.starts_with(f + "/"); });
}

// "generator.min_nodes" of "/generator/min_nodes"
std::string field_path(std::string pointer) {
  pointer.erase(0, 1);
  std::replace(pointer.begin(), pointer.end(), '/', '.');
  return pointer;
}

// Names the field, an element by its list, and both values.
[[noreturn]] void refuse(const OrderedJson& here, const OrderedJson& there, const std::string& pointer,
                         const std::filesystem::path& path) {
  OrderedJson::json_pointer field(pointer);
  const auto is_list = [&](const OrderedJson& json) {
    const auto above = field.parent_pointer();
    return json.contains(above) && json.at(above).is_array();
  };
  while (is_list(here) || is_list(there)) field.pop_back();
  const std::string name = "'" + field_path(field.to_string()) + "'";
  const std::string wanted = there.contains(field)
                                 ? name + " of " + there.at(field).dump() + ", as the run in this folder has"
                                 : "no " + name + ", as the run in this folder was made without it";
  fail(kEvaluateOperation, "expected ", wanted, ", but got ", here.contains(field) ? here.at(field).dump() : "none",
       " (", path.string(), "); choose another folder");
}

// What lies in a folder that is no run's; "" where nothing does. A kill may have left a temporary file.
std::string find_stranger(const std::filesystem::path& path) {
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name != "run.json" && !name.starts_with(".tacit-") && !is_shard_folder(entry.path())) return name;
  }
  return "";
}

const std::filesystem::path& made_folder(const std::filesystem::path& folder, const std::string& operation) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(!error && is_directory(folder), operation, "expected a folder for the run but got \"", error.message(),
          "\" for ", folder.string());
  return folder;
}

}  // namespace

OrderedJson read_record(const std::filesystem::path& file, const std::string& operation) {
  const Json checked = read_json(file, operation);
  require(checked.is_object(), operation, "expected a JSON object but got ", checked.type_name(), " in ",
          file.string());
  OrderedJson record = OrderedJson::parse(read_file(file, operation));  // with the file's order of names
  if (!record.contains("dtype")) return record;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf, at::kDouble}) {
    if (record["dtype"] == at::toString(dtype)) record["dtype"] = dtype_name(dtype);
  }
  if (!record.contains("weights")) record["weights"] = "dtype";
  return record;
}

void require_same_run(const OrderedJson& record, const std::filesystem::path& path) {
  const OrderedJson stored = read_record(path, kEvaluateOperation), there = stored.flatten();
  const OrderedJson here = record.flatten();
  std::vector<std::string> pointers;  // in the record's order, then what only the folder has
  for (const auto& [pointer, value] : here.items()) pointers.push_back(pointer);
  for (const auto& [pointer, value] : there.items()) {
    if (!here.contains(pointer)) pointers.push_back(pointer);
  }
  for (const std::string& pointer : pointers) {
    if (may_differ(pointer)) continue;
    const auto shown = [&](const auto& json) { return json.contains(pointer) ? json.at(pointer).dump() : "nothing"; };
    if (shown(here) != shown(there)) refuse(record, stored, pointer, path);
  }
}

void store_samples(const std::filesystem::path& folder, const std::vector<Sample>& samples,
                   const std::string& operation) {
  write_file_atomic(
      folder / "samples.jsonl",
      [&](std::ostream& out) {
        for (const Sample& sample : samples) out << to_json(sample).dump() << '\n';
      },
      operation);
}

void store_metrics(const std::filesystem::path& folder, const Metrics& metrics, const std::string& operation) {
  write_file_atomic(folder / "metrics.json", to_json(metrics).dump(2) + "\n", operation);
}

RunFolder::RunFolder(const std::filesystem::path& path, const OrderedJson& record, const std::string& operation)
    : RunFolder(std::make_unique<FolderLock>(made_folder(path, operation), operation), path, record, operation) {}

std::unique_ptr<RunFolder> RunFolder::if_free(const std::filesystem::path& path, const OrderedJson& record) {
  auto alone = FolderLock::if_free(made_folder(path, kEvaluateOperation), kEvaluateOperation);
  if (!alone) return nullptr;
  return std::unique_ptr<RunFolder>(new RunFolder(std::move(alone), path, record, kEvaluateOperation));
}

RunFolder::RunFolder(std::unique_ptr<FolderLock> alone, const std::filesystem::path& path, const OrderedJson& record,
                     const std::string& operation)
    : alone_(std::move(alone)), path_(path), operation_(operation) {
  const auto run_file = path_ / "run.json";
  if (exists(run_file)) {
    require_same_run(record, run_file);
  } else {
    const std::string stranger = find_stranger(path_);
    const bool results = stranger == "samples.jsonl" || stranger == "metrics.json";
    require(!results, operation_, "expected a new folder, or one with a run.json, but got ", path_.string(),
            ", which has results without one");
    require(stranger.empty(), operation_, "expected a new folder, or one of a run, but got ", path_.string(),
            ", which holds '", stranger, "'");
    write_file_atomic(run_file, record.dump(2) + "\n", operation_);
  }
  LineAppender(path_ / "samples.jsonl", operation_);  // cuts an unfinished last line
}

void RunFolder::append(const std::vector<Sample>& samples) {
  if (!appender_) appender_ = std::make_unique<LineAppender>(path_ / "samples.jsonl", operation_);
  for (const Sample& sample : samples) appender_->append(to_json(sample).dump());
  appender_->sync();
}

void RunFolder::store(const std::vector<Sample>& samples) {
  appender_.reset();  // writes to the file that is replaced here
  store_samples(path_, samples, operation_);
}

void RunFolder::store(const Metrics& metrics) { store_metrics(path_, metrics, operation_); }

Run read_run(const std::filesystem::path& folder) {
  Run run = read_run_as_it_is(folder);
  const bool mixed = run.record.contains("rescored") && run.record.at("rescored").value("unfinished", false);
  require(!mixed, "read_run", "expected a finished run but got one whose rescoring was stopped, so that its verdicts ",
          "may be of two rules: ", folder.string(), "; `tacit rescore` makes them one");
  return run;
}

Run read_run_as_it_is(const std::filesystem::path& folder) {
  const std::string operation = "read_run";
  const auto metrics_file = folder / "metrics.json";
  require(is_directory(folder), operation, "expected a run folder but got ", folder.string());
  require(exists(metrics_file), operation,
          "expected a finished run but got a folder without metrics.json: ", folder.string());
  Run run;
  run.metrics = metrics_from_json(read_json(metrics_file, operation), operation, metrics_file.string());
  run.samples = read_samples(folder / "samples.jsonl", operation);
  run.record = read_record(folder / "run.json", operation);
  require(std::ssize(run.samples) == run.metrics.examples, operation, "expected ", run.metrics.examples,
          " samples, as metrics.json says, but got ", run.samples.size(), " in ", (folder / "samples.jsonl").string());
  return run;
}

}  // namespace tacit
