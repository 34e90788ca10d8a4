#include "apps/compare_rows.h"

#include <algorithm>
#include <deque>
#include <set>

#include "apps/compare_out.h"
#include "apps/counted.h"
#include "apps/overall_progress.h"
#include "apps/ranks.h"
#include "apps/runtime.h"
#include "eval/evaluation.h"
#include "eval/problems.h"
#include "latent/option_use.h"
#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

// A row's checkpoints; of several training seeds one each.
struct RowModels {
  std::string name;
  std::vector<LoadedModel> checkpoints;
  // Has a number of thoughts; takes any; takes a halting rule; thinks in words.
  bool counted = false, thinks = false, halts = false, in_words = false;
  int64_t most_thoughts = 0;

  const LoadedModel& first() const { return checkpoints.front(); }
};

// One row of the comparison.
struct PlannedRow {
  std::string name;
  size_t model;                              // whose row it is
  std::optional<Intervention> intervention;  // set: the row of the model's own name is the clean one
};

// One run of a row.
struct PlannedRun {
  size_t row, checkpoint;
  int64_t seed;   // from 0
  int64_t sweep;  // number of thoughts, -1 = the row's own
  bool first() const { return checkpoint == 0 && seed == 0; }
};

// The folder's name, or the one that was given, with the method where one model stands in several rows.
std::vector<std::string> row_names(const CompareFlags& flags) {
  std::vector<std::string> names;
  for (const RowArgument& model : flags.models) names.push_back(model.name);
  const std::vector<std::string> plain = names;
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::count(plain.begin(), plain.end(), plain[i]) > 1 && !flags.methods.empty())
      names[i] += "-" + flags.methods[i];
  }
  for (size_t i = 0; i < names.size(); ++i) {
    require(std::count(names.begin(), names.end(), names[i]) == 1, "compare",
            "expected models of different names but got '", names[i], "' twice; NAME=DIR gives a row another");
  }
  return names;
}

Json parsed_options(const CompareFlags& flags) { return parse_method_options(flags.eval.common.method_options); }

// Those that the method has.
Json options_of(const Method& how, const Json& given) {
  Json own = Json::object();
  for (const auto& [name, value] : given.items()) {
    if (how.options.contains(name)) own[name] = value;
  }
  return own;
}

std::vector<RowModels> load_models(const CompareFlags& flags) {
  const std::vector<std::string> names = row_names(flags);
  std::vector<RowModels> out;
  for (size_t i = 0; i < names.size(); ++i) {
    RowModels row{.name = names[i], .checkpoints = {}};
    for (const auto& folder : flags.models[i].folders)
      row.checkpoints.push_back(open_checkpoint(folder, flags.eval.common));
    const LoadedModel& model = row.first();
    const Method& how = method(flags.method_of(i), model.settings);
    row.counted = how.counts_thoughts;
    const int64_t latents = row.counted ? flags.eval.common.latents : -1;
    const Procedure procedure = bind_method(model, how.name, latents, options_of(how, parsed_options(flags)));
    row.most_thoughts = procedure.max_thoughts();
    row.thinks = row.most_thoughts > 0;
    row.in_words = procedure.in_words;
    row.halts = row.thinks && !procedure.in_words && !procedure.parallel;
    out.push_back(std::move(row));
  }
  return out;
}

// Runs of rows are paired in turn.
void check_pairs(const CompareFlags& flags) {
  size_t most = 1;
  for (const RowArgument& row : flags.models) most = std::max(most, row.folders.size());
  for (const RowArgument& row : flags.models) {
    require(most % row.folders.size() == 0, "compare", "expected a number of models that divides ", most,
            ", as many as another row has, in row '", row.name, "' but got ", row.folders.size());
  }
}

// UsageError where an option is of none of the methods, or of those that have it none reads it to answer.
void check_method_options(const Options& options, const CompareFlags& flags, const std::vector<RowModels>& models) {
  const Json given = parsed_options(flags);
  std::set<std::string> known, read;
  for (size_t i = 0; i < models.size(); ++i) {
    const LoadedModel& model = models[i].first();
    const Method& how = method(flags.method_of(i), model.settings);
    const Json own = options_of(how, given);
    const std::vector<std::string> unread =
        unread_options(how, model.settings, model.tokenizer.get(), model.method_weights, own);
    for (const auto& [name, value] : own.items()) {
      known.insert(name);
      if (std::ranges::find(unread, name) == unread.end()) read.insert(name);
    }
  }
  for (const auto& [name, value] : given.items()) {
    if (!known.contains(name))
      options.reject("expected an option of one of the methods for '--option' but got '" + name + "'");
    if (!read.contains(name)) {
      options.reject("expected an option that answering reads for '--option' but got '" + name +
                     "', which none of these methods reads to answer");
    }
  }
}

// UsageError where --seed or --labels does nothing to the problems of any row.
void check_problems(const Options& options, const CompareFlags& flags, const std::vector<RowModels>& models) {
  std::map<std::string, std::vector<std::string>> unread;  // by option, the rows
  for (const RowModels& row : models) {
    const MethodSettings& settings = row.first().settings;
    const RunOptions run = flags.eval.run_options(options, settings);
    for (const std::string& name :
         unread_problem_options(options, run.task_options, run.task.empty() ? settings.task : run.task))
      unread[name].push_back(row.name);
  }
  for (const auto& [name, rows] : unread) {
    if (rows.size() < models.size()) continue;
    std::string all;
    for (const std::string& row : rows) all += (all.empty() ? "" : ", ") + row;
    options.reject_useless({name}, "'--style symbols': asked in English are all rows, " + all);
  }
}

// UsageError where something is asked for that no model has.
void check_models(const Options& options, const CompareFlags& flags, const std::vector<RowModels>& models) {
  const auto any = [&](auto&& has) { return std::ranges::any_of(models, has); };
  const CommonOptions& common = flags.eval.common;
  if (common.recurrences > 0 && !any([](const RowModels& m) { return m.first().model->config().depth.recurrent; }))
    options.reject("expected a model with recurrent depth beside --recurrences but none of these has it");
  const bool counted = any([](const RowModels& m) { return m.counted; });
  const bool thinks = any([](const RowModels& m) { return m.thinks; });
  const bool halts = any([](const RowModels& m) { return m.halts; });
  if (common.latents >= 0 && !counted)
    options.reject("expected a method with a number of thoughts beside --latents but none of these has one");
  if (flags.sweep_text && !counted)
    options.reject("expected a method with a number of thoughts beside --sweep-latents but none of these has one");
  if (flags.interventions_text && !thinks)
    options.reject("expected a model that takes thoughts beside '--interventions' but none of these does");
  if (flags.eval.common.max_words >= 0 && !any([](const RowModels& m) { return m.in_words; }))
    options.reject("expected a model that thinks in words beside '--max-words' but got none");
  if (flags.halt && !halts)
    options.reject(
        "expected a model that takes one thought after the other and no words beside '--halt' but none does");
  for (size_t i = 0; i < models.size(); ++i) {
    for (const LoadedModel& other : models[i].checkpoints) {
      const std::string& own = method(flags.method_of(i), models[i].first().settings).name;
      const std::string& name = method(flags.method_of(i), other.settings).name;
      require(own == name, "compare", "expected models of one method in row '", models[i].name, "' but got '", own,
              "' and '", name, "'");
    }
  }
  for (const RowModels& row : models) {
    for (const LoadedModel& other : row.checkpoints) {
      const int64_t own = row.first().settings.latents;
      if (row.counted && common.latents < 0 && other.settings.latents != own)
        options.reject("expected models of as many thoughts in row '" + row.name + "', or '--latents', but got " +
                       std::to_string(own) + " and " + std::to_string(other.settings.latents));
    }
  }
  check_method_options(options, flags, models);
  check_problems(options, flags, models);
}

// UsageError where an intervention that was asked for by name would change nothing of any model.
void check_interventions(const Options& options, const CompareFlags& flags, const std::vector<RowModels>& models) {
  if (!flags.interventions_text || flags.interventions_text == "all") return;
  const int64_t most = std::ranges::max(models, {}, &RowModels::most_thoughts).most_thoughts;
  for (const Intervention& what : flags.interventions) {
    if (least_thoughts(what) <= most) continue;
    options.reject("expected a model that takes at least " + counted(least_thoughts(what), "thought") +
                   ", which it changes, beside '" + to_text(what) + "' but these take " + std::to_string(most) +
                   " at most");
  }
}

// Every model, followed by itself with its thoughts replaced where it has any; `notes` says which it has too few for.
std::vector<PlannedRow> plan_rows(const Options& options, const CompareFlags& flags,
                                  const std::vector<RowModels>& models, std::vector<std::string>& notes) {
  check_interventions(options, flags, models);
  std::vector<PlannedRow> rows;
  for (size_t i = 0; i < models.size(); ++i) {
    rows.push_back({models[i].name, i, {}});
    if (!models[i].thinks) continue;
    for (const Intervention& what : flags.interventions) {
      if (models[i].most_thoughts < least_thoughts(what)) {
        notes.push_back("the row " + models[i].name + " +" + to_text(what) + " was left out: " + models[i].name +
                        " takes " + counted(models[i].most_thoughts, "thought") +
                        " at most, of which that changes nothing");
        continue;
      }
      rows.push_back({models[i].name + " +" + to_text(what), i, what});
    }
  }
  std::vector<std::string> all;
  for (const PlannedRow& row : rows) all.push_back(row.name);
  flags.check_baseline(options, all);
  check_report_rows(flags.out, all);
  return rows;
}

int64_t own_latents(const CompareFlags& flags, const RowModels& model) {
  return flags.eval.common.latents >= 0 ? flags.eval.common.latents : model.first().settings.latents;
}

std::vector<PlannedRun> plan_runs(const CompareFlags& flags, const std::vector<PlannedRow>& rows,
                                  const std::vector<RowModels>& models) {
  std::vector<PlannedRun> out;
  for (size_t r = 0; r < rows.size(); ++r) {
    const RowModels& model = models[rows[r].model];
    std::vector<int64_t> numbers = {-1};
    if (model.counted && !rows[r].intervention) numbers.insert(numbers.end(), flags.sweep.begin(), flags.sweep.end());
    std::erase(numbers, own_latents(flags, model));  // the row itself
    for (const int64_t sweep : numbers) {
      for (size_t c = 0; c < model.checkpoints.size(); ++c) {
        for (int64_t s = 0; s < std::max<int64_t>(flags.seeds, 1); ++s) out.push_back({r, c, s, sweep});
      }
    }
  }
  return out;
}

// "frontier +perturb:0.5" -> "frontier+perturb-0.5": no characters that shells or file systems mind.
std::string folder_name(std::string row) {
  std::erase(row, ' ');
  std::ranges::replace(row, ':', '-');
  std::ranges::replace(row, '/', '-');
  return row;
}

std::filesystem::path run_folder(const CompareFlags& flags, const PlannedRow& row, const RowModels& model,
                                 const PlannedRun& run) {
  if (flags.out.empty()) return {};
  const std::string sweep = run.sweep < 0 ? "" : "+latents-" + std::to_string(run.sweep);
  std::filesystem::path out = flags.out / "runs" / (folder_name(row.name) + sweep);
  if (model.checkpoints.size() > 1) out /= "model-" + std::to_string(run.checkpoint + 1);
  if (flags.seeds > 0) out /= "seed-" + std::to_string(flags.eval.common.seed + static_cast<uint64_t>(run.seed));
  return out;
}

RunOptions run_options(const Options& options, const CompareFlags& flags, const PlannedRow& row, const RowModels& model,
                       const PlannedRun& run, std::vector<std::string>& notes) {
  const LoadedModel& checkpoint = model.checkpoints[run.checkpoint];
  RunOptions out = flags.eval.run_options(options, checkpoint.settings);
  const std::string graphs = use_trained_graphs(options, checkpoint, out.task, out.task_options);
  if (!graphs.empty() && std::ranges::find(notes, graphs) == notes.end()) notes.push_back(graphs);
  if (run.sweep >= 0) out.latents = run.sweep;
  if (!model.counted) out.latents = -1;
  if (!checkpoint.model->config().depth.recurrent) out.recurrences = 0;
  out.method = flags.method_of(row.model);
  const Json& known = method(out.method, checkpoint.settings).options;
  const Json given = parsed_options(flags);
  for (const auto& [name, value] : given.items()) {
    if (known.contains(name)) out.options[name] = value;
  }
  if (model.halts && run.sweep != 0) out.halt = flags.halt;  // without thoughts there is nothing to end
  out.intervention = row.intervention;
  out.command = flags.command;
  out.task_options.seed += static_cast<uint64_t>(run.seed);
  out.seed += static_cast<uint64_t>(run.seed);
  if (!run.first()) out.latency_problems = 0;
  const Ranks ranks = read_ranks();
  out.rank = ranks.rank, out.ranks = ranks.ranks;
  out.out = run_folder(flags, row, model, run);
  return out;
}

std::string run_text(const CompareFlags& flags, const PlannedRow& row, const RowModels& model, const PlannedRun& run) {
  std::string out = row.name;
  if (run.sweep >= 0) out += ", " + std::to_string(run.sweep) + " thoughts";
  if (model.checkpoints.size() > 1) out += ", model " + std::to_string(run.checkpoint + 1);
  if (flags.seeds > 0) out += ", seed " + std::to_string(flags.eval.common.seed + static_cast<uint64_t>(run.seed));
  return out;
}

// Of rows that pool models and no seeds: the seeds that they were trained with, or their places where these are not
// known or not different.
std::vector<uint64_t> training_seeds(const CompareFlags& flags, const RowModels& model) {
  std::vector<uint64_t> out, places;
  if (model.checkpoints.size() == 1 || flags.seeds > 1) return out;
  for (size_t i = 0; i < model.checkpoints.size(); ++i) {
    places.push_back(i + 1);
    const auto recipe = model.checkpoints[i].directory / "train.json";
    if (!exists(recipe)) continue;
    const Json json = read_json(recipe, "compare");
    if (json.is_object() && json.contains("seed") && json["seed"].is_number_unsigned())
      out.push_back(json["seed"].get<uint64_t>());
  }
  std::vector<uint64_t> sorted = out;
  std::ranges::sort(sorted);
  const bool different = std::ranges::adjacent_find(sorted) == sorted.end();
  return out.size() == places.size() && different ? out : places;
}

ComparedRows collect(const CompareFlags& flags, const std::vector<PlannedRow>& rows,
                     const std::vector<RowModels>& models, const std::vector<PlannedRun>& planned,
                     std::vector<Run> runs) {
  ComparedRows out;
  for (const PlannedRow& row : rows) {
    const RowModels& model = models[row.model];
    ComparedRow compared{.name = row.name, .runs = {}, .by_latents = {}, .seeds = training_seeds(flags, model)};
    const bool swept = model.counted && !row.intervention;
    if (swept && std::ranges::find(flags.sweep, own_latents(flags, model)) != flags.sweep.end())
      compared.by_latents[own_latents(flags, model)] = {};
    if (row.intervention) out.clean[row.name] = model.name;
    out.rows.push_back(std::move(compared));
  }
  for (size_t i = 0; i < planned.size(); ++i) {
    ComparedRow& row = out.rows[planned[i].row];
    out.complete = out.complete && runs[i].complete;
    (planned[i].sweep < 0 ? row.runs : row.by_latents[planned[i].sweep]).push_back(std::move(runs[i]));
  }
  return out;
}

// What compare() refuses of a row's runs, before they are solved.
void check_runs(const std::vector<PlannedRow>& rows, const std::deque<Evaluation>& evaluations,
                const std::vector<PlannedRun>& planned) {
  std::map<std::pair<size_t, int64_t>, const OrderedJson*> first;  // by row and number of thoughts
  for (size_t i = 0; i < planned.size(); ++i) {
    const OrderedJson& here = evaluations[i].record();
    const auto found = first.emplace(std::pair{planned[i].row, planned[i].sweep}, &here).first;
    require_same_method(rows[planned[i].row].name, *found->second, here);
  }
}

// Rows face the same problems, seed by seed.
void check_same_problems(const std::vector<PlannedRow>& rows, const std::vector<PlannedRun>& planned,
                         const std::deque<Evaluation>& evaluations) {
  std::map<int64_t, std::vector<std::pair<std::string, OrderedJson>>> by_seed;
  for (size_t i = 0; i < planned.size(); ++i)
    by_seed[planned[i].seed].emplace_back(rows[planned[i].row].name, evaluations[i].record());
  for (const auto& [seed, records] : by_seed) require_same_problems(records);
}

}  // namespace

ComparedRows evaluate_rows(const Options& options, const CompareFlags& flags) {
  row_names(flags);  // what they refuse needs no model
  check_pairs(flags);
  const std::vector<RowModels> models = load_models(flags);
  check_models(options, flags, models);
  std::vector<std::string> notes;
  const std::vector<PlannedRow> rows = plan_rows(options, flags, models, notes);
  const std::vector<PlannedRun> planned = plan_runs(flags, rows, models);
  OverallProgress progress(planned.size());
  std::deque<Evaluation> evaluations;
  for (size_t i = 0; i < planned.size(); ++i) {
    const PlannedRow& row = rows[planned[i].row];
    const RowModels& model = models[row.model];
    evaluations.emplace_back(model.checkpoints[planned[i].checkpoint],
                             run_options(options, flags, row, model, planned[i], notes),
                             progress.of_run(i, run_text(flags, row, model, planned[i])));
  }
  check_runs(rows, evaluations, planned);
  check_same_problems(rows, planned, evaluations);
  std::map<std::string, std::vector<OrderedJson>> records_of_rows;
  for (size_t i = 0; i < planned.size(); ++i)
    records_of_rows[rows[planned[i].row].name].push_back(evaluations[i].record());
  check_report_sources(flags.out, records_of_rows);
  for (Evaluation& evaluation : evaluations) evaluation.open();
  for (size_t i = 0; i < planned.size(); ++i) progress.expect(i, evaluations[i]);
  for (Evaluation& evaluation : evaluations) evaluation.solve();
  ComparedRows out = collect(flags, rows, models, planned, finish(evaluations, progress.of_timing()));
  out.notes = std::move(notes);
  return out;
}

}  // namespace tacit
