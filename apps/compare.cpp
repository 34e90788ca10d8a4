#include <algorithm>
#include <deque>
#include <iostream>
#include <map>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/progress_bar.h"
#include "apps/report_files.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"
#include "eval/evaluation.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

struct NamedRuns {
  std::vector<std::pair<std::string, Run>> runs;
  std::map<std::string, std::string> clean;  // compare()'s
};

struct CompareFlags {
  EvalFlags eval;
  std::vector<std::string> models, methods, runs;
  std::string baseline;
  std::optional<std::string> interventions;
  std::vector<Intervention> parsed;  // of them
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

// UsageError unless the baseline is one of the rows.
void check_baseline(const Options& options, const CompareFlags& flags, const std::vector<std::string>& names) {
  if (flags.baseline.empty() || std::ranges::find(names, flags.baseline) != names.end()) return;
  options.reject("expected the baseline to be one of the rows but got '" + flags.baseline + "'" +
                 did_you_mean(flags.baseline, names));
}

void check_recurrences(const Options& options, const CompareFlags& flags, const std::vector<LoadedModel>& models) {
  const bool any = std::ranges::any_of(models, [](const LoadedModel& m) { return m.model->config().depth.recurrent; });
  if (flags.eval.common.recurrences > 0 && !any)
    options.reject("expected a model with recurrent depth beside --recurrences but none of these has it");
}

// "zero,swap" -> both; "all" = every one that needs no number, and no thoughts at all.
std::vector<Intervention> parse_interventions(const Options& options, const std::string& text, uint64_t seed) {
  const std::string listed = text == "all" ? "truncate:0,zero,mean,noise,swap,permute" : text;
  std::vector<Intervention> out;
  for (size_t begin = 0; begin <= listed.size();) {
    const size_t end = std::min(listed.find(',', begin), listed.size());
    out.push_back(intervention_option(listed.substr(begin, end - begin), seed));
    begin = end + 1;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (to_text(out[i]) == to_text(out[j])) options.reject("intervention '" + to_text(out[i]) + "' is given twice");
    }
  }
  return out;
}

// One row of the comparison.
struct PlannedRow {
  std::string name;
  size_t model;                              // whose row it is
  std::optional<Intervention> intervention;  // set: the row of the model's own name is the clean one
};

bool thinks(const CompareFlags& flags, size_t i, const LoadedModel& model) {
  const Method& how = method(method_of(flags, i), model.settings);
  const int64_t latents = how.counts_thoughts ? flags.eval.common.latents : -1;
  return bind_method(how, model.settings, model.tokenizer.get(), latents, model.method_weights).max_thoughts() > 0;
}

// Every model, followed by itself with its thoughts replaced where it has any.
std::vector<PlannedRow> plan_rows(const Options& options, const CompareFlags& flags,
                                  const std::vector<LoadedModel>& models) {
  const std::vector<std::string> names = row_names(flags);
  std::vector<PlannedRow> rows;
  for (size_t i = 0; i < models.size(); ++i) {
    rows.push_back({names[i], i, {}});
    if (!thinks(flags, i, models[i])) continue;
    for (const Intervention& what : flags.parsed) rows.push_back({names[i] + " +" + to_text(what), i, what});
  }
  if (!flags.parsed.empty() && rows.size() == models.size())
    options.reject("expected a model that takes thoughts beside '--interventions' but none of these does");
  std::vector<std::string> all;
  for (const PlannedRow& row : rows) all.push_back(row.name);
  check_baseline(options, flags, all);
  return rows;
}

std::vector<LoadedModel> load_models(const CompareFlags& flags) {
  const at::ScalarType dtype = parse_dtype(flags.eval.common.dtype);
  const at::Device device = parse_device(flags.eval.common.device);
  std::vector<LoadedModel> models;
  for (const std::string& model : flags.models) models.push_back(open_model(model, dtype, device));
  return models;
}

// Which models have a number of thoughts, the only ones that --latents is for.
std::vector<bool> counting_thoughts(const Options& options, const CompareFlags& flags,
                                    const std::vector<LoadedModel>& models) {
  std::vector<bool> counted;
  for (size_t i = 0; i < models.size(); ++i)
    counted.push_back(method(method_of(flags, i), models[i].settings).counts_thoughts);
  if (flags.eval.common.latents >= 0 && std::find(counted.begin(), counted.end(), true) == counted.end())
    options.reject("expected a method with a number of thoughts beside --latents but none of these has one");
  return counted;
}

// "frontier +perturb:0.5" -> "frontier+perturb-0.5": no characters that shells or file systems mind.
std::string folder_name(std::string row) {
  std::erase(row, ' ');
  std::ranges::replace(row, ':', '-');
  return row;
}

const std::string& clean_row(const std::vector<PlannedRow>& rows, size_t model) {
  return std::ranges::find_if(rows, [&](const PlannedRow& r) { return r.model == model && !r.intervention; })->name;
}

// What can be refused is refused before the first model has run for minutes: all are loaded, all have the problems
// tokenised and their folders opened.
NamedRuns evaluate_models(const Options& options, const CompareFlags& flags) {
  row_names(flags);  // what they refuse needs no model
  const std::vector<LoadedModel> models = load_models(flags);
  const std::vector<PlannedRow> rows = plan_rows(options, flags, models);
  check_recurrences(options, flags, models);
  const std::vector<bool> counted = counting_thoughts(options, flags, models);
  const ProgressCallback progress = progress_bar();
  std::deque<Evaluation> evaluations;
  std::vector<std::pair<std::string, OrderedJson>> records;
  for (size_t r = 0; r < rows.size(); ++r) {
    const LoadedModel& model = models[rows[r].model];
    RunOptions run = flags.eval.run_options(options, model.settings);
    if (!counted[rows[r].model]) run.latents = -1;
    if (!model.model->config().depth.recurrent) run.recurrences = 0;
    run.method = method_of(flags, rows[r].model);
    run.intervention = rows[r].intervention;
    run.command = flags.command;
    if (!flags.out.empty()) run.out = flags.out / "runs" / folder_name(rows[r].name);
    evaluations.emplace_back(model, run, [&, r](Progress p) {
      p.what = rows[r].name + " (" + std::to_string(r + 1) + " of " + std::to_string(rows.size()) + ")";
      return progress(p);
    });
    records.emplace_back(rows[r].name, evaluations.back().record());
  }
  require_same_problems(records);
  for (Evaluation& evaluation : evaluations) evaluation.open();
  for (Evaluation& evaluation : evaluations) evaluation.solve();
  const std::vector<Run> runs = finish(evaluations, progress);
  NamedRuns named;
  for (size_t r = 0; r < runs.size(); ++r) {
    named.runs.emplace_back(rows[r].name, runs[r]);
    if (rows[r].intervention) named.clean[rows[r].name] = clean_row(rows, rows[r].model);
  }
  return named;
}

NamedRuns read_runs(const Options& options, const CompareFlags& flags) {
  NamedRuns named;
  std::vector<std::string> names;
  for (const std::string& folder : flags.runs) names.push_back(model_name(folder));
  check_baseline(options, flags, names);
  for (size_t i = 0; i < names.size(); ++i) named.runs.emplace_back(names[i], read_run(flags.runs[i]));
  return named;
}

// The row to test against: the one asked for, else the first that is token chain of thought.
std::string choose_baseline(const CompareFlags& flags, const NamedRuns& named) {
  if (!flags.baseline.empty()) return flags.baseline;
  for (const auto& [name, run] : named.runs) {
    if (run.metrics.method == "cot") return name;
  }
  return "";
}

// The command that was typed, and those of the runs where they are others.
void set_commands(const CompareFlags& flags, const NamedRuns& named, OrderedJson& provenance) {
  OrderedJson others = OrderedJson::array();
  for (const auto& [name, run] : named.runs) {
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
    options.reject_given(
        {"method", "interventions", "latents", "recurrences", "decode", "sample-seed", "task", "data", "count", "limit",
         "shuffle", "latency-problems", "device", "dtype", "seed", "batch", "style", "labels"},
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
  if (flags.interventions) {
    flags.parsed = parse_interventions(options, *flags.interventions, flags.eval.intervention_seed);
  } else {
    options.reject_useless({"intervention-seed"}, "--interventions");
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
  options.add("interventions", "LIST", &flags.interventions,
              "also each model with its thoughts replaced, tested against itself: kinds of 'tacit eval --intervene' "
              "with commas between, or all");
  options.add("baseline", "NAME", &flags.baseline,
              "row the others are tested against (default: the first of method cot)");
  options.add("out", "DIR", &flags.out, "folder to write: compare.html, compare.json, compare.md, plots and the run folders");
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

  const NamedRuns named = flags.runs.empty() ? evaluate_models(options, flags) : read_runs(options, flags);
  Comparison comparison = compare(named.runs, choose_baseline(flags, named), named.clean);
  set_commands(flags, named, comparison.provenance);
  const std::string json = dump(to_json(comparison), 2) + "\n", markdown = markdown_table(comparison);
  if (!flags.out.empty()) {
    std::filesystem::create_directories(flags.out);
    write_file_atomic(flags.out / "compare.json", json, "compare");
    write_file_atomic(flags.out / "compare.md", markdown, "compare");
    write_report_page(flags.out, comparison, named.runs);
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
