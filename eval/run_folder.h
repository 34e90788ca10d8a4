#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/run.h"
#include "lib/core/files.h"
#include "lib/core/folder_lock.h"

namespace tacit {

inline constexpr const char* kEvaluateOperation = "evaluate";  // the operation that errors about run folders name

// Everything that a run is made from, for run.json.
struct RunRecord {
  const LoadedModel& model;
  const RunOptions& options;
  std::string method;
  Json method_options;  // all of them
  std::string task;
  bool renders_data;  // Task::renders_data
  int64_t latents, max_steps, max_answer_tokens;
  int64_t all_problems;             // of the task, before the limit
  bool writes;                      // false: it only chooses among texts, or gives an answer of a fixed length
  std::vector<int64_t> end_tokens;  // of the checkpoint, that end what is written
  bool too_long;                    // whether a problem is, and counts as wrong
  OrderedJson prompt;               // prompt_record()
};
OrderedJson to_json(const RunRecord& record);

// Fails, naming the first field that differs and both values, unless run_file is the run.json of this run; command, the
// folders of model and data, batch, order and CPU may differ.
void require_same_run(const OrderedJson& record, const std::filesystem::path& run_file);

// A run.json in today's words: earlier ones called dtypes otherwise, and said nothing of weights that are as dtype.
OrderedJson read_record(const std::filesystem::path& file, const std::string& operation);

// read_run() that also takes a run whose rescoring was stopped.
Run read_run_as_it_is(const std::filesystem::path& folder);

// Rewrites the run's samples.jsonl in this order, and its metrics.json. The folder must be the caller's alone.
void store_samples(const std::filesystem::path& folder, const std::vector<Sample>& samples,
                   const std::string& operation);
void store_metrics(const std::filesystem::path& folder, const Metrics& metrics, const std::string& operation);

// The files of one run on disk, run.json, samples.jsonl, metrics.json, for a session that is alone in writing them.
class RunFolder {
 public:
  // Makes the folder and its run.json, or opens that of the same run; an unfinished last line of samples.jsonl is cut
  // off. Fails on another one's (require_same_run), where other files lie than a run's, and while somebody else is at
  // it.
  RunFolder(const std::filesystem::path& path, const OrderedJson& record,
            const std::string& operation = kEvaluateOperation);
  // Null while somebody else is at it.
  static std::unique_ptr<RunFolder> if_free(const std::filesystem::path& path, const OrderedJson& record);

  void append(const std::vector<Sample>& samples);  // on the disk when it returns
  void store(const std::vector<Sample>& samples);   // appends nothing any more
  void store(const Metrics& metrics);

 private:
  RunFolder(std::unique_ptr<FolderLock> alone, const std::filesystem::path& path, const OrderedJson& record,
            const std::string& operation);

  std::unique_ptr<FolderLock> alone_;
  std::filesystem::path path_;
  std::string operation_;
  std::unique_ptr<LineAppender> appender_;
};

}  // namespace tacit
