#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/progress_bar.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/nearest.h"
#include "lib/core/version.h"

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

// What can be refused is refused before the first model has run for minutes.
void check_models(const CompareFlags& flags, const std::vector<std::string>& names) {
  bool counted = false;
  for (size_t i = 0; i < flags.models.size(); ++i) {
    const ModelConfig config = read_model_config(flags.models[i]);
    const std::string source = (std::filesystem::path(flags.models[i]) / "config.json").string();
    counted |= method(method_of(flags, i), read_method_settings(config.raw, source)).counts_thoughts;
  }
  require(flags.eval.common.latents < 0 || counted, "compare",
          "expected a method with a number of thoughts beside --latents but none of these has one");
  require(flags.baseline.empty() || std::find(names.begin(), names.end(), flags.baseline) != names.end(), "compare",
          "expected the baseline to be one of the models but got '", flags.baseline, "'",
          did_you_mean(flags.baseline, names));
}

NamedRuns evaluate_models(const CompareFlags& flags) {
  const std::vector<std::string> names = row_names(flags);
  const at::ScalarType dtype = parse_dtype(flags.eval.common.dtype);
  const at::Device device = parse_device(flags.eval.common.device);
  check_models(flags, names);
  NamedRuns runs;
  const ProgressCallback progress = progress_bar();
  for (size_t i = 0; i < flags.models.size(); ++i) {
    const LoadedModel model = open_model(flags.models[i], dtype, device);
    RunOptions run = flags.eval.run_options(model.settings);
    if (!method(method_of(flags, i), model.settings).counts_thoughts) run.latents = -1;
    run.method = method_of(flags, i);
    run.command = flags.command;
    if (!flags.out.empty()) run.out = flags.out / "runs" / names[i];
    auto named = [&](Progress p) {
      p.what = names[i] + " (" + std::to_string(i + 1) + " of " + std::to_string(flags.models.size()) + ")";
      return progress(p);
    };
    runs.emplace_back(names[i], evaluate(model, run, named));
  }
  return runs;
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

OrderedJson provenance(const CompareFlags& flags) {
  OrderedJson out = {{"command", flags.command}};
  if (flags.runs.empty()) {
    out["seed"] = flags.eval.common.seed;
    if (!flags.eval.data.empty()) out["data"] = valid_utf8(flags.eval.data.string());
    out["dtype"] = flags.eval.common.dtype;
    out["device"] = flags.eval.common.device;
    out["threads"] = at::get_num_threads();
  }
  out["versions"] = {{"tacit", version}, {"torch", TORCH_VERSION}};
  return out;
}

void check_flags(const Options& options, CompareFlags& flags) {
  if (flags.models.empty() == flags.runs.empty())
    options.reject("expected either '--model' for each model or '--runs' for each run folder");
  if (!flags.runs.empty()) {
    options.reject_given({"method",    "latents",
                          "task",      "data",
                          "count",     "limit",
                          "shuffle",   "latency-problems",
                          "device",    "dtype",
                          "seed",      "batch",
                          "style",     "labels",
                          "kind",      "min-nodes",
                          "max-nodes", "min-depth",
                          "max-depth", "edges-per-node",
                          "acyclic",   "balance-in-degree"},
                         "runs");
  }
  flags.eval.check(options);
  if (flags.methods.size() == 1) flags.methods.resize(flags.models.size(), flags.methods[0]);
  if (!flags.methods.empty() && flags.methods.size() != flags.models.size()) {
    options.reject("expected one '--method' for all models or one for each of " + std::to_string(flags.models.size()) +
                   " but got " + std::to_string(flags.methods.size()));
  }
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
              0);
  flags.eval.add(options);
  options.flag("markdown", &flags.markdown, "print Markdown");
  if (!options.parse(args)) return kDone;
  check_flags(options, flags);
  use_threads(flags.eval.common.threads);

  const NamedRuns runs = flags.runs.empty() ? evaluate_models(flags) : read_runs(flags.runs);
  Comparison comparison = compare(runs, choose_baseline(flags, runs));
  comparison.provenance = provenance(flags);
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
