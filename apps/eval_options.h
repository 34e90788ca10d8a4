#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/options.h"
#include "apps/reach_options.h"
#include "eval/run.h"

namespace tacit {

// How a question is put to the model.
struct PromptFlags {
  int64_t shots = 0, max_answer_tokens = 0;
  std::filesystem::path shots_data;
  std::string style;  // "" = not given
  bool chat = false;

  void add_shots(Options& options);  // --shots, --shots-data, --prompt
  void add(Options& options);        // and --chat, --max-answer-tokens
  void apply(TaskOptions& to) const;
  // UsageError on shots from a file without a number, or from a file that is not there.
  void check(const Options& options) const;
};

// What `eval` and `compare` ask of an evaluation, beside the model and its method.
struct EvalFlags {
  CommonOptions common;
  std::string task;  // "" = the checkpoint's own
  std::filesystem::path data;
  std::vector<std::string> scorers;
  int64_t count = 300, limit = 0, repeats = 1, latency_problems = 50;
  std::optional<uint64_t> limit_seed;
  std::string too_long = "error";
  PromptFlags prompt;
  std::optional<uint64_t> shuffle;
  uint64_t intervention_seed = 0, sample_seed = 0;
  std::optional<std::string> decode;
  ReachFlags reach;

  void add(Options& options);
  // For a checkpoint: its own task, style and labels unless others were given. UsageError when an option is given that
  // does nothing to problems like these, whatever their style.
  RunOptions run_options(const Options& options, const MethodSettings& settings) const;
  // Fails, before a model is loaded, on an unknown task (UsageError), a data file that is not there, or generator
  // options beside one.
  void check(const Options& options) const;
};

// UsageError when a number of thoughts or recurrences is asked of a checkpoint whose method or model has none, or an
// option is given that only training reads.
void check_model_options(const Options& options, const CommonOptions& common, const LoadedModel& model);

// UsageError on several samples a problem where nothing is drawn, so that all would be the same.
void check_repeats(const Options& options, const RunOptions& run, const LoadedModel& model);

// UsageError where the text names no intervention, or no halting rule.
Intervention intervention_option(const std::string& text, uint64_t seed);
HaltRule halt_option(const std::string& text);
Strategy decode_option(const std::string& text);  // of --decode, likewise
inline constexpr const char* kDecodeHelp =
    "how answers are decoded: greedy (default), sample, noise:SIZE, beam:N, vote:N, best:N, tree or contrast, with "
    "settings behind, such as vote:8,temperature=.7 (docs/decoding.md)";

// The flags over what the checkpoint's settings say of the task called `name`, "" = not known yet. UsageError when an
// option is given that does nothing to its problems, whatever their style.
void apply_problem_options(const Options& options, const ReachFlags& flags, const MethodSettings& settings,
                           TaskOptions& to, const std::string& name);
// Those of --seed and --labels that are given and do nothing to the problems as they are told.
std::vector<std::string> unread_problem_options(const Options& options, const TaskOptions& asked,
                                                const std::string& name);
// UsageError when there is one; `task` "" = the checkpoint's own.
void check_problem_options(const Options& options, const LoadedModel& model, const TaskOptions& asked,
                           const std::string& task);

// The graphs of the checkpoint's own training, where it has fewer labels than graphs by default have nodes and nothing
// else was asked for: as train.json beside it tells them. -> what must then be told of them, else ""
std::string use_trained_graphs(const Options& options, const LoadedModel& model, const std::string& task,
                               TaskOptions& to);
// What train.json says; empty without one, and where its graphs have more nodes than there are labels.
std::optional<GraphOptions> trained_graphs(const std::filesystem::path& checkpoint, int64_t labels);

void note_on_stderr(const std::string& note);  // nothing where it is empty

// The command line, for run.json and reports.
OrderedJson command_line(const std::string& command, const std::vector<std::string>& args);

}  // namespace tacit
