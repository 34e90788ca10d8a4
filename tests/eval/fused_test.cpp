#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include "decoding/solve.h"
#include "eval/open_model.h"
#include "eval/run.h"

namespace tacit {
namespace {

// The texts of whole evaluations, not numbers that are nearly equal.
TEST_CASE("the embedded models answer the same on the packed form and on the plain path") {
  at::set_num_threads(1);
  const std::vector<std::string> names = {"frontier", "coconut", "pause", "cot", "cot-frontier", "direct"};
  for (size_t i = 0; i < 2 * names.size(); ++i) {
    const std::string& name = names[i / 2];
    const WeightFormat weights = i % 2 == 0 ? WeightFormat::scalar : WeightFormat::int8;
    CAPTURE(name);
    CAPTURE(i);
    const LoadedModel model =
        open_model(std::filesystem::path(TACIT_SOURCE_DIR) / "models" / name, {.weights = weights});
    REQUIRE(model.model->fused() != nullptr);
    TaskOptions options = task_options_of(model.settings);
    options.seed = 11;
    options.count = 64;
    const Task& reach = task(model.settings.task);
    const std::vector<Example> examples = load_examples(reach, options);
    const Procedure procedure = bind_method(method("latent", model.settings), model.settings, model.tokenizer.get());
    TokenRows prompts;
    for (const Example& example : examples) prompts.push_back(model.tokenizer->encode(example.question));
    const int64_t answer = answer_tokens(reach, examples);
    const Solution fused = solve(model.model, procedure, prompts, {.max_answer_tokens = answer}),
                   plain = solve(model.model, procedure, prompts, {.max_answer_tokens = answer, .fused = false});
    CHECK(fused.thoughts.steps == plain.thoughts.steps);
    CHECK(fused.thoughts.tokens == plain.thoughts.tokens);
    for (size_t b = 0; b < prompts.size(); ++b) {
      CHECK(fused.answers[b].tokens == plain.answers[b].tokens);
      CHECK(fused.answers[b].stopped == plain.answers[b].stopped);
    }
  }
}

}  // namespace
}  // namespace tacit
