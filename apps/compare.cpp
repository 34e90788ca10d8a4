#include <algorithm>
#include <deque>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/progress_bar.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"
#include "eval/evaluation.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

using NamedRuns = std::vector<std::pair<std::string, Run>>;

struct CompareFlags {
  EvalFlags eval;
  std::vector<std::string> models, methods, runs;
  std::string baseline;
  std::filesystem::path out;
  bool markdown = false;
  OrderedJson command;
};

// The folder's name, with the method where one model stands in several rows.
std::vector<std::string> row_names(const CompareFlags& flags) {
  std::vector<std::string> names;
  for (const std::string& model : flags.models) names.push_back(model_name(model));
  const std::vector<std::string> plain = names;
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::count(plain.begin(), plain.end(), plain[i]) > 1 && !flags.methods.empty())
      names[i] += "-" + flags.methods[i];
  }
  for (size_t i = 0; i < names.size(); ++i) {
    require(std::count(names.begin(), names.end(), names[i]) == 1, "compare",
            "expected models of different names but got '", names[i], "' twice");
  }
  return names;
}

std::string method_of(const CompareFlags& flags, size_t i) {
  return flags.methods.empty() ? "latent" : flags.methods[i];
}

void check_recurrences(const CompareFlags& flags, const std::vector<LoadedModel>& models) {
  require(flags.eval.common.recurrences == 0 ||
              std::ranges::any_of(models, [](const LoadedModel& m) { return m.model->config().depth.recurrent; }),
          "compare", "expected a model with recurrent depth beside --recurrences but none of these has it");
}

std::vector<LoadedModel> load_models(const CompareFlags& flags) {
  const at::ScalarType dtype = parse_dtype(flags.eval.common.dtype);
  const at::Device device = parse_device(flags.eval.common.device);
  std::vector<LoadedModel> models;
  for (const std::string& model : flags.models) models.push_back(open_model(model, dtype, device));
  return models;
}

// Which models have a number of thoughts, the only ones that --latents is for.
std::vector<bool> counting_thoughts(const CompareFlags& flags, const std::vector<LoadedModel>& models) {
  std::vector<bool> counted;
  for (size_t i = 0; i < models.size(); ++i)
    counted.push_back(method(method_of(flags, i), models[i].settings).counts_thoughts);
  require(flags.eval.common.latents < 0 || std::find(counted.begin(), counted.end(), true) != counted.end(), "compare",
          "expected a method with a number of thoughts beside --latents but none of these has one");
  return counted;
}

// What can be refused is refused before the first model has run for minutes: all are loaded, all have the problems
// tokenised and their folders opened.
NamedRuns evaluate_models(const Options& options, const CompareFlags& flags) {
  const std::vector<std::string> names = row_names(flags);
  require(flags.baseline.empty() || std::find(names.begin(), names.end(), flags.baseline) != names.end(), "compare",
          "expected the baseline to be one of the models but got '", flags.baseline, "'",
          did_you_mean(flags.baseline, names));
  const std::vector<LoadedModel> models = load_models(flags);
  check_recurrences(flags, models);
  const std::vector<bool> counted = counting_thoughts(flags, models);
  const ProgressCallback progress = progress_bar();
  std::deque<Evaluation> evaluations;
  for (size_t i = 0; i < models.size(); ++i) {
    RunOptions run = flags.eval.run_options(options, models[i].settings);
    if (!counted[i]) run.latents = -1;
    if (!models[i].model->config().depth.recurrent) run.recurrences = 0;
    run.method = method_of(flags, i);
    run.command = flags.command;
    if (!flags.out.empty()) run.out = flags.out / "runs" / names[i];
    evaluations.emplace_back(models[i], run, [&, i](Progress p) {
      p.what = names[i] + " (" + std::to_string(i + 1) + " of " + std::to_string(names.size()) + ")";
      return progress(p);
    });
  }
  std::vector<std::pair<std::string, OrderedJson>> records;
  for (size_t i = 0; i < names.size(); ++i) records.emplace_back(names[i], evaluations[i].record());
  require_same_problems(records);
  for (Evaluation& evaluation : evaluations) evaluation.open();
  for (Evaluation& evaluation : evaluations) evaluation.solve();
  const std::vector<Run> runs = finish(evaluations, progress);
  NamedRuns named;
  for (size_t i = 0; i < runs.size(); ++i) named.emplace_back(names[i], runs[i]);
  return named;
}

NamedRuns read_runs(const std::vector<std::string>& folders) {
  NamedRuns runs;
  for (const std::string& folder : folders) runs.emplace_back(model_name(folder), read_run(folder));
  return runs;
}

// The row to test against: the one asked for, else the first that is token chain of thought.
std::string choose_baseline(const CompareFlags& flags, const NamedRuns& runs) {
  if (!flags.baseline.empty()) return flags.baseline;
  for (const auto& [name, run] : runs) {
    if (run.metrics.method == "cot") return name;
  }
  return "";
}

// The command that was typed, and those of the runs where they are others.
void set_commands(const CompareFlags& flags, const NamedRuns& runs, OrderedJson& provenance) {
  OrderedJson others = OrderedJson::array();
  for (const auto& [name, run] : runs) {
    const OrderedJson command = run.record.is_object() ? run.record.value("command", OrderedJson()) : OrderedJson();
    if (command.is_null() || command == flags.command) continue;
    if (std::find(others.begin(), others.end(), command) == others.end()) others.push_back(command);
  }
  if (!provenance.is_object()) provenance = OrderedJson::object();
  provenance["command"] = flags.command;
  if (!others.empty()) provenance["run_commands"] = std::move(others);
}

void check_flags(const Options& options, CompareFlags& flags) {
  if (flags.models.empty() == flags.runs.empty())
    options.reject("expected either '--model' for each model or '--runs' for each run folder");
  if (!flags.runs.empty()) {
    options.reject_given({"method", "latents", "recurrences", "task", "data", "count", "limit", "shuffle",
                          "latency-problems", "device", "dtype", "seed", "batch", "style", "labels"},
                         "runs");
    ReachFlags::reject_generator(options, "runs");
  }
  flags.eval.check(options);
  if (flags.methods.size() == 1) flags.methods.resize(flags.models.size(), flags.methods[0]);
  if (!flags.methods.empty() && flags.methods.size() != flags.models.size()) {
    options.reject("expected one '--method' for all models or one for each of " + std::to_string(flags.models.size()) +
                   " but got " + std::to_string(flags.methods.size()));
  }
  for (const std::string& name : flags.methods) check_method(options, name);
  if (flags.markdown && flags.eval.common.json) options.reject("expected either '--json' or '--markdown'");
}

int run_compare(const std::vector<std::string>& args) {
  CompareFlags flags;
  flags.command = command_line("compare", args);
  Options options("compare", "Models, or runs of 'tacit eval', side by side on the same problems.",
                  "tacit compare --model models/frontier --model models/cot --task reach --count 100 --seed 1");
  options.add("model", "DIR", &flags.models, "a checkpoint; repeat for each");
  options.add("method", "NAME", &flags.methods,
              "method of all models, or repeated of each in turn (default: their own)");
  options.add("runs", "DIR", &flags.runs, "instead of models: a finished run folder; repeat for each");
  options.add("baseline", "NAME", &flags.baseline,
              "row the others are tested against (default: the first of method cot)");
  options.add("out", "DIR", &flags.out, "folder to write: compare.json, compare.md and the run folders");
  options.add("latents", "N", &flags.eval.common.latents,
              "thoughts before the answer, of the methods that have a number of them (default: each checkpoint's own)",
              0, kMostThoughts);
  options.add("recurrences", "N", &flags.eval.common.recurrences,
              "times that models which think in depth run their shared blocks (default: each checkpoint's own)", 1);
  flags.eval.add(options);
  options.flag("markdown", &flags.markdown, "print Markdown");
  if (!options.parse(args)) return kDone;
  check_flags(options, flags);
  use_threads(flags.eval.common.threads);

  const NamedRuns runs = flags.runs.empty() ? evaluate_models(options, flags) : read_runs(flags.runs);
  Comparison comparison = compare(runs, choose_baseline(flags, runs));
  set_commands(flags, runs, comparison.provenance);
  const std::string json = dump(to_json(comparison), 2) + "\n", markdown = markdown_table(comparison);
  if (!flags.out.empty()) {
    std::filesystem::create_directories(flags.out);
    write_file_atomic(flags.out / "compare.json", json, "compare");
    write_file_atomic(flags.out / "compare.md", markdown, "compare");
  }
  if (flags.eval.common.json) {
    std::cout << json;
  } else if (flags.markdown) {
    std::cout << markdown;
  } else {
    std::cout << terminal_table(comparison, output_width(), output_has_colour());
  }
  return kDone;
}

}  // namespace

Command compare_command() { return {"compare", "models or runs against each other: a report", run_compare}; }

}  // namespace tacit
