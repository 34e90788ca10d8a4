#include <algorithm>
#include <array>
#include <cstdio>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/known_names.h"
#include "apps/options.h"
#include "apps/progress_bar.h"
#include "apps/ranks.h"
#include "apps/reach_options.h"
#include "apps/runtime.h"
#include "datasets/generated_task.h"
#include "latent/train_method.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

struct TrainArguments {
  CommonOptions common;
  std::string method, task = "reach";
  std::filesystem::path recipe, out;
  std::string init, data, generator;
  int64_t steps = 0, batch = 0, seed = 0;
  bool resume = false, graphs = false;
  double timeout = DataParallelOptions().timeout_s;
};

// The flags that were given win over the recipe's fields.
TrainConfig resolve(const Options& options, const TrainArguments& a) {
  // A training that goes on knows its own recipe.
  std::filesystem::path recipe = a.recipe;
  const bool goes_on = recipe.empty() && a.resume && exists(a.out / "train.json");
  if (goes_on) recipe = a.out / "train.json";
  Json json = recipe.empty() ? Json::object() : read_json(recipe, "train");
  if (goes_on && options.given("method") && json.is_object() && json["method"] != a.method) {
    options.reject("expected '--method' of " + json["method"].dump() + ", as " + recipe.string() +
                   " has it, beside '--resume' but got '" + a.method + "'");
  }
  const std::string source = recipe.empty() ? "the command line" : recipe.string();
  if (json.is_object()) {
    if (options.given("method")) json["method"] = a.method;
    if (options.given("task")) json["task"] = a.task;
    if (options.given("steps")) json["steps"] = a.steps;
    if (options.given("batch")) json["batch"] = a.batch;
    if (options.given("seed")) json["seed"] = a.seed;
    if (options.given("init")) json["init"] = a.init;
    if (options.given("data")) json["data"] = a.data;
    if (options.given("generator")) json["generator"] = read_options_json(a.generator, "--generator");
    if (options.given("latents")) json["latents"] = a.common.latents;
    if (options.given("option")) {
      const Json given = parse_method_options(a.common.method_options);
      if (!json.contains("options")) json["options"] = Json::object();
      if (json["options"].is_object()) json["options"].update(given);
    }
  }
  return train_config_from_json(json, source);
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::vector<std::string> trainable_methods() {
  std::vector<std::string> names = method_names();
  std::erase_if(names, [](const std::string& name) { return !method(name).row; });
  return names;
}

// The last update, the last validation and what was selected, of metrics.jsonl.
OrderedJson final_figures(const std::filesystem::path& directory) {
  OrderedJson update, validation, selected;
  for_each_line(directory / "metrics.jsonl", "train", [&](std::string_view text, int64_t) {
    OrderedJson line = OrderedJson::parse(text);
    if (line.contains("loss"))
      update = std::move(line);
    else if (line.contains("validation"))
      validation = std::move(line);
    else if (line.contains("selected"))
      selected = std::move(line);
  });
  OrderedJson out = {{"directory", directory.string()}};
  out.update(update);
  if (!validation.is_null()) out["validation"] = validation["validation"];
  if (!selected.is_null()) {
    out["selected"] = {{"step", selected["step"]}};
    out["selected"].update(selected["selected"]);
  }
  return out;
}

// All processes end at Ctrl-C in any; one bar is enough.
ProgressCallback progress_of(const DataParallelOptions& ranks) {
  if (ranks.rank == 0) return progress_bar();
  return [](const Progress&) { return !interrupted(); };
}

int run(const std::vector<std::string>& args) {
  TrainArguments a;
  Options options("train", "Trains a method on generated problems or a file, from random weights or from a checkpoint.",
                  "tacit train --method direct --task reach --steps 2 --batch 4 --out trained-direct\n"
                  "tacit train --method direct --task reach --steps 2 --batch 4 --out trained-direct --resume --json");
  options.common(a.common, {"device", "threads", "json"});
  options.add("method", "NAME", &a.method,
              "what to train (default " + TrainConfig().method + "): " + listed(trainable_methods()));
  options.common(a.common, {"option"});
  options.add("task", "NAME", &a.task,
              "what to train on: " + listed(generated_task_names()) + "; a file of prosqa or gsm8k_aug");
  options.add("data", "FILE", &a.data, "file of task prosqa or gsm8k_aug");
  options.add("generator", "JSON", &a.generator,
              "options of a generated task other than reach, or a file of them: '{\"depth\": [3, 5]}'");
  options.add("config", "FILE", &a.recipe, "recipe as JSON (configs/); options given here win over its fields");
  options.add("out", "DIR", &a.out, "folder of the checkpoint and its training state");
  options.add("latents", "N", &a.common.latents,
              "thoughts of the finished method, where it has a number of them (default: the recipe's, else " +
                  std::to_string(TrainConfig().latents) + ")",
              0, kMostThoughts);
  options.add("steps", "N", &a.steps, "updates", 1);
  options.add("batch", "N", &a.batch, "rows a micro-batch", 1);
  options.add("seed", "N", &a.seed, "of weights and data", 0);
  options.add("init", "DIR", &a.init, "checkpoint to start from");
  options.flag(
      "resume", &a.resume,
      "continue the training in --out by its own recipe; where there is none, begin the one that other options say");
  options.flag(
      "graphs", &a.graphs,
      "on CUDA: record an update's kernels and replay them; refused where that cannot be (not yet run on a GPU)");
  options.add("timeout", "SECONDS", &a.timeout,
              "of several processes (WORLD_SIZE): how long one waits for the others before it gives up", 0.001);
  if (!options.parse(args)) return kDone;
  options.require_option("out");
  if (options.given("method")) {
    if (a.method == "latent") options.reject("expected a method to train for '--method' but got 'latent'");
    const std::vector<std::string> known = method_names();  // one that needs no training is told so by train_method()
    if (std::ranges::find(known, a.method) == known.end()) check_name(options, "method", trainable_methods(), a.method);
  }
  if (options.given("task")) check_task(options, a.task);
  const bool says_what = std::ranges::any_of(std::array{"config", "method", "task", "init"},
                                             [&](const char* name) { return options.given(name); });
  if (a.resume && !says_what && !training_exists(a.out)) {
    options.reject("expected a training in '" + a.out.string() +
                   "' to resume, or '--config' or '--method' to begin one, but there is none");
  }
  use_threads(a.common.threads);
  keep_freed_memory();
  TrainConfig config = resolve(options, a);
  config.device = use_device(device_of_rank(a.common.device));
  config.graphs = a.graphs;
  if (a.graphs && config.device.is_cpu()) options.reject("expected '--device cuda' beside '--graphs'");
  join_ranks(config.trainer.parallel, a.timeout);
  if (a.resume && !training_exists(a.out) && config.trainer.parallel.rank == 0)
    std::fprintf(stderr, "tacit: nothing to resume in %s: starts anew\n", a.out.c_str());
  train_method(config, a.out, a.resume, progress_of(config.trainer.parallel));
  if (config.trainer.parallel.rank != 0) return kDone;
  const OrderedJson figures = final_figures(a.out);
  if (a.common.json) {
    std::printf("%s\n", figures.dump().c_str());
  } else {
    std::printf("%s: %s on %s, %lld steps, loss %.4f\n", a.out.c_str(), config.method.c_str(), config.task.c_str(),
                static_cast<long long>(figures["step"].get<int64_t>()), figures["loss"].get<double>());
  }
  return kDone;
}

}  // namespace

Command train_command() { return {"train", "train a method from a recipe, or resume", run}; }

}  // namespace tacit
