#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include "eval/run.h"

namespace tacit {
namespace {

// What a reader of samples.jsonl sees, timings and the second digit of a readout aside.
std::vector<std::string> texts(const Run& run) {
  std::vector<std::string> out;
  for (const Sample& s : run.samples) {
    out.push_back(s.id + ": " + s.question + " -> " + s.text + " (" + s.answer + "), " + std::to_string(s.steps) +
                  ", " + std::to_string(s.tokens) + ", " + std::to_string(s.flops));
  }
  return out;
}

TEST_CASE("batches of 1, 7 and 64 and any order give the texts of whole evaluations, with every embedded model") {
  at::set_num_threads(1);
  for (const std::string name : {"frontier", "coconut", "pause", "cot", "cot-frontier", "direct"}) {
    CAPTURE(name);
    const LoadedModel model = open_model(std::filesystem::path(TACIT_SOURCE_DIR) / "models" / name);
    RunOptions options;
    options.task_options = task_options_of(model.settings);
    options.task_options.seed = 21;
    options.task_options.count = 70;
    options.latency_problems = 0;
    options.batch = 1;
    const std::vector<std::string> alone = texts(evaluate(model, options));
    REQUIRE(alone.size() == 70);
    for (const auto& [batch, shuffled] : {std::pair<int64_t, bool>{7, true}, {64, false}}) {
      CAPTURE(batch);
      options.batch = batch;
      options.shuffle = shuffled ? std::optional<uint64_t>(2) : std::nullopt;
      CHECK(texts(evaluate(model, options)) == alone);
    }
  }
}

}  // namespace
}  // namespace tacit
