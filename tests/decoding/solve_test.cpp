#include "decoding/solve.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

void check_same(const Solution& together, int64_t row, const Solution& alone) {
  CHECK(together.thoughts.steps[row] == alone.thoughts.steps[0]);
  CHECK(together.thoughts.tokens[row] == alone.thoughts.tokens[0]);
  CHECK(together.thoughts.halted[row] == alone.thoughts.halted[0]);
  CHECK(together.answers[row].tokens == alone.answers[0].tokens);
  CHECK(together.answers[row].stopped == alone.answers[0].stopped);
  const int64_t steps = alone.thoughts.steps[0];
  // fp32 sums in another order; vectors have elements of size 1.
  CHECK(at::allclose(together.thoughts.trace_BKD[row].narrow(0, 0, steps),
                     alone.thoughts.trace_BKD[0].narrow(0, 0, steps),
                     /*rtol=*/0, /*atol=*/1e-4));
}

TEST_CASE("decode: a session that has no room for the answer is told apart from one that is fed too much") {
  Session session(test::tiny_model({.smeared_keys = false}), {.rows = 2, .capacity = 5});
  session.prefill({{1, 2, 3}, {4}});
  CHECK(holds(error_of([&] { decode(session, {.max_tokens = 4}); }),
              "[decode] expected room for the answer but row 0 is full after 2 tokens of it (capacity 5)"));
}

TEST_CASE("a problem's solution does not depend on the problems beside it") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(12);
  for (const auto& [name, procedure] : procedures()) {
    CAPTURE(name);
    const Solution together = solve(model, procedure, prompts, {.max_answer_tokens = 6, .keep_trace = true});
    REQUIRE(together.answers.size() == prompts.size());
    for (size_t b = 0; b < prompts.size(); ++b) {
      CAPTURE(b);
      check_same(together, static_cast<int64_t>(b),
                 solve(model, procedure, {prompts[b]}, {.max_answer_tokens = 6, .keep_trace = true}));
    }
  }
}

TEST_CASE("solve is prefill, think, the answer marker, decode") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(3);
  for (const auto& [name, procedure] : procedures()) {
    CAPTURE(name);
    const Solution solution = solve(model, procedure, prompts, {.max_answer_tokens = 5});
    CHECK_FALSE(solution.thoughts.trace_BKD.defined());
    for (size_t b = 0; b < prompts.size(); ++b) {
      Session session(model, {.rows = 1, .capacity = 128, .keep_layers = name == "layer"});
      std::vector<int64_t> prompt = prompts[b];
      prompt.insert(prompt.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
      session.prefill({prompt});
      const Thoughts thoughts =
          procedure.parallel ? session.think_in_parallel(*procedure.parallel) : session.think(procedure.think);
      session.feed(procedure.answer_marker);
      const Decoded answer = decode(session, {.max_tokens = 5, .stop_tokens = procedure.stop_tokens})[0];
      CHECK(solution.thoughts.tokens[b] == thoughts.tokens[0]);
      CHECK(solution.thoughts.steps[b] == thoughts.steps[0]);
      CHECK(solution.answers[b].tokens == answer.tokens);
    }
  }
}

TEST_CASE("the session fits exactly: one position less is refused, naming the row") {
  const Procedure latent = procedures().at("latent");
  const TokenRows prompts = {{1, 2}, {1, 2, 3, 4, 5}, {7}};
  const int64_t needed = positions_needed(latent, 5, {.max_answer_tokens = 6});
  CHECK(needed == 5 + 1 + 4 + 2 + 6);
  CHECK_NOTHROW(solve(test::tiny_model({.max_positions = needed}), latent, prompts, {.max_answer_tokens = 6}));
  const std::string error = error_of(
      [&] { solve(test::tiny_model({.max_positions = needed - 1}), latent, prompts, {.max_answer_tokens = 6}); });
  CHECK(error ==
        "[solve] expected at most 17 positions (the model's) but row 1 may need 18: 6 tokens of prompt, 4 thoughts, "
        "8 tokens of answer");
  CHECK(holds(error_of([&] { solve(test::tiny_model(), latent, {}); }), "at least one prompt"));
  Procedure endless = latent;
  endless.think.max_steps = INT64_MAX;
  const std::string overflow =
      error_of([&] { solve(test::tiny_model(), endless, prompts, {.max_answer_tokens = INT64_MAX}); });
  CHECK(holds(overflow, "[solve] expected at most 256 positions"));
}

TEST_CASE("weights that are not numbers end in an error, not in an answer") {
  const auto good = test::tiny_model();
  std::map<std::string, at::Tensor> weights = good->weights();
  weights.at("unembedding") = weights.at("unembedding").clone();
  weights.at("unembedding")[7][0] = NAN;
  const auto broken = std::make_shared<const Transformer>(good->config(), std::move(weights));
  for (const auto& [name, procedure] : procedures()) {
    const std::string error = error_of([&] { solve(broken, procedure, random_prompts(3)); });
    CAPTURE(name);
    CAPTURE(error);
    CHECK(holds(error, name == "words" ? "[think] expected finite logits but got nan for token 7 in row 0"
                                       : "[decode] expected finite logits but got nan for token 7 in row 0"));
  }
}

TEST_CASE("the phases are timed") {
  const Solution solution = solve(test::tiny_model(), procedures().at("latent"), random_prompts(2));
  CHECK(solution.ms.prefill > 0);
  CHECK(solution.ms.think > 0);
  CHECK(solution.ms.answer > 0);
  CHECK(solution.ms.total() == doctest::Approx(solution.ms.prefill + solution.ms.think + solution.ms.answer));
}

}  // namespace
}  // namespace tacit
