// Answers of models that think in depth: exits, and grids that are read at once.
#include <doctest/doctest.h>

#include "decoding/scheduler.h"
#include "lib/model/checkpoint.h"
#include "tests/decoding/procedures.h"
#include "tests/support/depth_models.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::shared_ptr<const Transformer> model_of(const Json& json) {
  tiny_model();  // one thread
  return make_model(model_config_from_json(json, "test.json"), 1);
}

std::vector<Solution> scheduled(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                                const TokenRows& prompts, int64_t read_together, const SolveOptions& options) {
  std::vector<Solution> out(prompts.size());
  CHECK(solve_all(model, procedure, prompts, {.rows = 3, .prefill_rows = read_together, .solve = options},
                  [&](int64_t problem, Solution solution) {
                    out[problem] = std::move(solution);
                    return true;
                  }));
  return out;
}

}  // namespace

TEST_CASE("a scheduled problem's positions leave as they do alone, and the mean is told") {
  Procedure procedure{.think = {.max_steps = 2}, .answer_marker = {18, 16}};
  procedure.exit.kl = 0.02;
  const SolveOptions options{.max_answer_tokens = 3, .recurrences = 6};
  const TokenRows prompts = random_prompts(7);
  for (const Json& json : {universal_json(), huginn_json(), ouro_json()}) {
    INFO(json.dump());
    const auto model = model_of(json);
    const auto got = scheduled(model, procedure, prompts, /*read_together=*/1, options);
    const auto got_together = scheduled(model, procedure, prompts, /*read_together=*/3, options);
    bool early = false;
    for (size_t i = 0; i < prompts.size(); ++i) {
      const Solution alone = solve(model, procedure, {prompts[i]}, options);
      CHECK(got[i].answers[0].tokens == alone.answers[0].tokens);
      CHECK(got_together[i].answers[0].tokens == alone.answers[0].tokens);
      REQUIRE(got[i].mean_exits.size() == 1);
      CHECK(got_together[i].mean_exits == got[i].mean_exits);
      // The last token of an answer is fed where it is alone, and not in a running batch.
      const auto positions = static_cast<double>(prompts[i].size() + 2 + 2 + 3);
      CHECK(std::abs(got[i].mean_exits[0] - alone.mean_exits[0]) <= 6 / positions);
      CHECK(got[i].mean_exits[0] >= 2);
      early = early || got[i].mean_exits[0] < 6;
    }
    CHECK(early);
    CHECK(solve(model, {}, {prompts[0]}, options).mean_exits.empty());
  }
}

TEST_CASE("a grid gives one token, at its last position, alone and in a running batch") {
  const auto model = model_of(trm_json({{"seq_len", 64}}));
  const Procedure procedure{.prompt_suffix = {17}, .think = {.max_steps = 0}, .max_answer_tokens = 1};
  const TokenRows prompts = random_prompts(7);
  for (const int64_t recurrences : {0, 1, 5}) {
    const SolveOptions options{.recurrences = recurrences};
    const auto got = scheduled(model, procedure, prompts, /*read_together=*/1, options);
    const auto got_together = scheduled(model, procedure, prompts, /*read_together=*/3, options);
    for (size_t i = 0; i < prompts.size(); ++i) {
      std::vector<int64_t> grid = prompts[i];
      grid.push_back(17);
      Session session(model, {.rows = 1, .capacity = 64, .recurrences = recurrences});
      const at::Tensor last_V = session.feed_for_logits({grid})[0][-1];
      const std::vector<int64_t> expected = {last_V.argmax().item<int64_t>()};
      CHECK(solve(model, procedure, {prompts[i]}, options).answers[0].tokens == expected);
      CHECK(got[i].answers[0].tokens == expected);
      CHECK(got_together[i].answers[0].tokens == expected);
    }
  }
}
