#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "decoding/solve.h"
#include "eval/metrics.h"
#include "eval/open_model.h"
#include "eval/sample.h"
#include "eval/task.h"
#include "latent/halt_rule.h"
#include "latent/intervention.h"
#include "lib/core/progress.h"

namespace tacit {

enum class TooLong { refuse, wrong };  // fail before anything is solved; count the problem as wrong, unanswered

struct RunOptions {
  std::string method = "latent";             // "latent" = the checkpoint's own
  int64_t latents = -1;                      // -1 = the checkpoint's own
  Json options = Json::object();             // of the method (Method::options), over the checkpoint's
  int64_t recurrences = 0;                   // SessionOptions::recurrences
  std::optional<HaltRule> halt;              // in place of the method's own rule
  std::optional<Intervention> intervention;  // what replaces the thoughts; part of what makes a run the same run
  std::string task;                          // "" = the checkpoint's own
  Strategy strategy;                         // how answers are decoded; draws with `seed`
  TaskOptions task_options;                  // see task_options_of()
  std::vector<std::string> scorers;          // names, in place of the task's; empty = the task's
  int64_t batch = 32;                        // rows of the running batch; answers differ by rounding at most
  std::optional<uint64_t> shuffle;           // order in which examples are solved; results are stored by example
  int64_t limit = 0;                         // first N examples; 0 = all
  std::optional<uint64_t> limit_seed;        // the N are drawn instead, and stay in the task's order
  TooLong too_long = TooLong::refuse;        // of a problem that may need more positions than the model has
  uint64_t seed = 0;                         // added to the seeds of whatever is drawn while solving
  int64_t repeats = 1;                       // samples a problem, below 2^31; kept apart as Sample::repeat
  int64_t rank = 0, ranks = 1;               // this process solves every ranks-th wave of problems from rank on
  int64_t latency_problems = 50;             // problems solved alone for the latency columns; 0 = none
  std::filesystem::path out;                 // run folder; empty = keep in memory only
  OrderedJson command;                       // what to record as the command, e.g. argv
};

// The text that a checkpoint was trained on: style, labels and generator of its settings, all else as it is by default.
TaskOptions task_options_of(const MethodSettings& settings);

struct Run {
  Metrics metrics;
  std::vector<Sample> samples;  // in the task's order
  OrderedJson record;           // run.json: all that is needed to repeat it; null = unknown
  bool complete = true;  // false: of several processes that share it, some are not done; these are the samples so far
  bool finished_before = false;  // by an earlier call, whose folder this is: nothing was solved for it
};

// Evaluates. With options.out: writes run.json first, every options.batch finished samples to samples.jsonl,
// metrics.json at the end. An existing folder of the same run is resumed, another one's is refused; command, the
// folders of model and data, batch and shuffle may differ. An interrupted and resumed run ends with the same files as
// an undisturbed one of the same command, apart from timings: the fields ms_* and, computed from them, problems_per_s.
// A finished folder is returned as it is. When `progress` returns false, what is finished stays on disk and Interrupted
// is thrown.
//
// Of several processes with the same options.out (rank, ranks) each solves its waves into a folder of its own within
// it; the one that finds all done, or a later evaluate() in one process, makes of them the files that one process would
// have left. Batch and shuffle must then be the same everywhere.
Run evaluate(const LoadedModel& model, const RunOptions& options, const ProgressCallback& progress = {});

// A finished run from its folder; no model is needed. Fails when metrics.json is missing (the run was not finished).
Run read_run(const std::filesystem::path& folder);

}  // namespace tacit
