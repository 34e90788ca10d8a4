#include "apps/compare_flags.h"

#include <algorithm>

#include "apps/known_names.h"
#include "apps/runtime.h"
#include "eval/open_model.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/core/split.h"

namespace tacit {
namespace {

// What a report of several seeds holds unless it is told not to: no thoughts, another problem's, noise of their size.
constexpr const char* kControls = "truncate:0,swap,noise";

// "zero,swap" -> both; "all" = every one that needs no number, and no thoughts at all.
std::vector<Intervention> parse_interventions(const Options& options, const std::string& text, uint64_t seed) {
  std::vector<Intervention> out;
  for (const std::string& name : split(text == "all" ? "truncate:0,zero,mean,noise,swap,permute" : text, ','))
    out.push_back(intervention_option(name, seed));
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (to_text(out[i]) == to_text(out[j])) options.reject("intervention '" + to_text(out[i]) + "' is given twice");
    }
  }
  return out;
}

std::vector<int64_t> parse_sweep(const Options& options, const std::string& text) {
  std::vector<int64_t> out = parse_ids(text, "sweep-latents");
  std::ranges::sort(out);
  if (out.empty() || out[0] < 0 || out.back() > kMostThoughts || std::ranges::adjacent_find(out) != out.end()) {
    options.reject("expected different numbers of thoughts from 0 to " + std::to_string(kMostThoughts) +
                   " for '--sweep-latents' but got '" + text + "'");
  }
  return out;
}

}  // namespace

RowArgument parse_row(const Options& options, const std::string& option, const std::string& text) {
  const size_t equals = text.find('=');
  const bool named = equals != text.npos && text.find('/') > equals && !std::filesystem::exists(text);
  if (!named) return {model_name(text), {text}};
  RowArgument out{.name = text.substr(0, equals), .folders = {}};
  for (const std::string& folder : split(text.substr(equals + 1), ',')) out.folders.emplace_back(folder);
  const bool empty = std::ranges::any_of(out.folders, [](const auto& folder) { return folder.empty(); });
  if (out.name.empty() || empty)
    options.reject("expected DIR or NAME=DIR,DIR for '--" + option + "' but got '" + text + "'");
  return out;
}

void CompareFlags::add(Options& options) {
  options.add("model", "DIR", &model_texts,
              "a checkpoint; repeat for each. NAME=DIR,DIR: one row of several, as of several training seeds");
  options.add("method", "NAME", &methods, "method of all models, or repeated of each in turn (default: their own)");
  options.common(eval.common, {"option", "words"});
  options.add("halt", "RULE", &halt_text,
              "when models that think stop, as for 'tacit eval'; those that think in words are left alone");
  options.add(
      "runs", "DIR", &run_texts,
      "instead of models: a finished run folder, or one of several; repeat for each row. NAME=DIR,DIR: one row");
  options.add("seeds", "N", &seeds,
              "every row on N seeds, from --seed on, pooled; with controls: each model without thoughts, with another "
              "problem's, with noise of their size",
              1);
  options.flag("no-controls", &no_controls, "with --seeds: leave the controls out");
  options.add("interventions", "LIST", &interventions_text,
              "also each model with its thoughts replaced, tested against itself: kinds of 'tacit eval --intervene' "
              "with commas between, or all");
  options.add("sweep-latents", "LIST", &sweep_text,
              "also the models that have a number of thoughts with each of these, as 0,1,2,4: a table of its own");
  options.add("baseline", "NAME", &baseline, "row the others are tested against (default: the first of method cot)");
  options.add("out", "DIR", &out, "folder to write: compare.html, .json, .md and .tex, plots and the run folders");
  options.add("latents", "N", &eval.common.latents,
              "thoughts before the answer, of the methods that have a number of them (default: each checkpoint's own)",
              0, kMostThoughts);
  options.add("recurrences", "N", &eval.common.recurrences,
              "times that models which think in depth run their shared blocks (default: each checkpoint's own)", 1);
  eval.add(options);
  options.flag("markdown", &markdown, "print Markdown");
  options.flag("latex", &latex, "print a table for LaTeX");
}

void CompareFlags::check(Options& options) {
  if (model_texts.empty() == run_texts.empty())
    options.reject("expected either '--model' for each model or '--runs' for each run folder");
  if (!run_texts.empty()) {
    options.reject_given({"method",        "option",
                          "halt",          "seeds",
                          "no-controls",   "interventions",
                          "sweep-latents", "latents",
                          "recurrences",   "task",
                          "data",          "count",
                          "limit",         "repeats",
                          "limit-seed",    "too-long",
                          "shuffle",       "latency-problems",
                          "device",        "dtype",
                          "seed",          "batch",
                          "style",         "labels",
                          "decode",        "sample-seed",
                          "scorer",        "shots",
                          "shots-data",    "prompt",
                          "chat",          "max-answer-tokens",
                          "weights",       "max-words",
                          "think-marker",  "answer-marker",
                          "end-marker"},
                         "runs");
    ReachFlags::reject_generator(options, "runs");
  }
  eval.check(options);
  for (const std::string& text : model_texts) models.push_back(parse_row(options, "model", text));
  for (const std::string& text : run_texts) runs.push_back(parse_row(options, "runs", text));
  if (methods.size() == 1) methods.resize(models.size(), methods[0]);
  if (!methods.empty() && methods.size() != models.size()) {
    options.reject("expected one '--method' for all models or one for each of " + std::to_string(models.size()) +
                   " but got " + std::to_string(methods.size()));
  }
  for (const std::string& name : methods) check_method(options, name);
  if (seeds == 0) options.reject_useless({"no-controls"}, "--seeds");
  if (halt_text) halt = halt_option(*halt_text);
  if (sweep_text) sweep = parse_sweep(options, *sweep_text);
  const bool controls = seeds > 0 && !no_controls;
  if (controls) interventions = parse_interventions(options, kControls, eval.intervention_seed);
  if (interventions_text) {
    for (const Intervention& what : parse_interventions(options, *interventions_text, eval.intervention_seed)) {
      const auto same = [&](const Intervention& there) { return to_text(there) == to_text(what); };
      if (std::ranges::none_of(interventions, same)) interventions.push_back(what);
    }
  } else if (!controls) {
    options.reject_useless({"intervention-seed"}, "--interventions");
  }
  if (markdown + latex + eval.common.json > 1)
    options.reject("expected at most one of '--json', '--markdown' and '--latex'");
}

void CompareFlags::check_baseline(const Options& options, const std::vector<std::string>& names) const {
  if (baseline.empty() || std::ranges::find(names, baseline) != names.end()) return;
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  options.reject("expected the baseline to be one of the rows, " + all + ", but got '" + baseline + "'" +
                 did_you_mean(baseline, names));
}

}  // namespace tacit
