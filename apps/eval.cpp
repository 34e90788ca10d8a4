#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/progress_bar.h"
#include "apps/ranks.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"
#include "eval/comparison_rows.h"

namespace tacit {
namespace {

int run_eval(const std::vector<std::string>& args) {
  EvalFlags flags;
  std::filesystem::path out;
  std::optional<std::string> intervene, halt;
  Options options("eval",
                  "One model, one method, one task: accuracy, steps and time. With --out also a run folder, resumed "
                  "where it was interrupted.",
                  "tacit eval --model models/frontier --task reach --count 100 --seed 1 --out runs/frontier-seed-1");
  options.common(flags.common, {"model", "method", "option", "latents", "recurrences", "words"});
  options.add("intervene", "KIND", &intervene,
              "replace the thoughts: zero, mean, noise, swap, permute, truncate:K, freeze:K or perturb:SIZE");
  options.add(
      "halt", "RULE", &halt,
      "when to stop thinking, at most after --latents: fixed, entropy:NATS, convergence:SHARE, flops:N, learned "
      "or oracle (default: the method's own)");
  options.add("out", "DIR", &out, "run folder: run.json, samples.jsonl, metrics.json");
  flags.add(options);
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  const CommonOptions& common = flags.common;
  load_options(common);  // refuses before anything is read
  check_method(options, common.method);
  std::optional<Intervention> intervention;
  std::optional<HaltRule> rule;
  if (intervene) intervention = intervention_option(*intervene, flags.intervention_seed);
  if (halt) rule = halt_option(*halt);
  if (!intervene) options.reject_useless({"intervention-seed"}, "--intervene");
  flags.check(options);
  check_ranks(options, !out.empty());
  use_threads(common.threads);
  keep_freed_memory();

  const LoadedModel model = open_checkpoint(common.model, common);
  check_model_options(options, common, model);
  RunOptions run = flags.run_options(options, model.settings);
  check_problem_options(options, model, run.task_options, run.task);
  note_on_stderr(use_trained_graphs(options, model, run.task, run.task_options));
  run.method = common.method;
  run.options = parse_method_options(common.method_options);
  run.halt = rule;
  run.intervention = intervention;
  check_repeats(options, run, model);
  run.out = out;
  run.rank = read_ranks().rank;
  run.ranks = read_ranks().ranks;
  run.command = command_line("eval", args);
  const Run result = evaluate(model, run, progress_bar());
  if (!result.complete) {
    std::cerr << "tacit: this process has solved its share; the last of them, or the same command in one process, "
                 "finishes "
              << out.string() << "\n";
    return kDone;
  }
  if (result.finished_before) {
    const std::string by = rescored_by(result.record);
    std::cerr << "tacit: " << out.string() << " was finished before; these are its results"
              << (by.empty() ? "" : ", scored again by " + by + " ('tacit rescore')") << "\n";
  }
  if (common.json) {
    OrderedJson json = to_json(result.metrics);
    json["run"] = result.record;
    std::cout << dump(json, 2) << "\n";
  } else {
    std::cout << terminal_table(compare({{result.metrics.model, result}}, ""), output_width(), output_has_colour());
  }
  return kDone;
}

}  // namespace

Command eval_command() { return {"eval", "one model, one method, one task: a run folder", run_eval}; }

}  // namespace tacit
