#include <cstdio>
#include <iostream>

#include "apps/commands.h"
#include "apps/eval_options.h"
#include "apps/known_names.h"
#include "apps/progress_bar.h"
#include "apps/runtime.h"
#include "apps/terminal.h"
#include "eval/compare.h"

namespace tacit {
namespace {

int run_eval(const std::vector<std::string>& args) {
  EvalFlags flags;
  std::filesystem::path out;
  Options options("eval",
                  "One model, one method, one task: accuracy, steps and time. With --out also a run folder, resumed\n"
                  "where it was interrupted.",
                  "tacit eval --model models/frontier --task reach --count 100 --seed 1 --out runs/frontier-seed-1");
  options.common(flags.common, {"model", "method", "option", "latents", "recurrences"});
  options.add("out", "DIR", &out, "run folder: run.json, samples.jsonl, metrics.json");
  flags.add(options);
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  const CommonOptions& common = flags.common;
  const at::ScalarType dtype = parse_dtype(common.dtype);
  const at::Device device = parse_device(common.device);
  check_method(options, common.method);
  flags.check(options);
  use_threads(common.threads);

  const LoadedModel model = open_model(common.model, dtype, device);
  RunOptions run = flags.run_options(options, model.settings);
  run.method = common.method;
  run.options = parse_method_options(common.method_options);
  run.out = out;
  run.command = command_line("eval", args);
  const Run result = evaluate(model, run, progress_bar());
  if (common.json) {
    std::cout << dump(to_json(result.metrics), 2) << "\n";
  } else {
    std::cout << terminal_table(compare({{result.metrics.model, result}}, ""), output_width(), output_has_colour());
  }
  return kDone;
}

}  // namespace

Command eval_command() { return {"eval", "one model, one method, one task: a run folder", run_eval}; }

}  // namespace tacit
