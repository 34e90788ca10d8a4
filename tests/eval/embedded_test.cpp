#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include "eval/run.h"

namespace tacit {
namespace {

// Small models with fixed weights and everything in them, smeared keys and partial rotation: a change to how any of it
// is computed shows here. On 300 problems they reach .997 and .84 (docs/results/reach.md), chance is .5; the bounds lie
// more than two standard deviations of 60 problems below.
TEST_CASE("the embedded models solve fresh problems") {
  at::set_num_threads(1);
  for (const auto& [name, least] : {std::pair{"frontier", .95}, std::pair{"cot-frontier", .7}}) {
    const LoadedModel model = open_model(std::filesystem::path(TACIT_SOURCE_DIR) / "models" / name);
    RunOptions options;
    options.task_options = task_options_of(model.settings);
    options.task_options.seed = 7;
    options.task_options.count = 60;
    options.latency_problems = 0;
    const Run run = evaluate(model, options);
    CAPTURE(name);
    CHECK(run.metrics.accuracy >= least);
  }
}

}  // namespace
}  // namespace tacit
