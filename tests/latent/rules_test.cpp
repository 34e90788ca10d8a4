// What feedback and halting rules are shown, beyond the hidden state: numbers of rows, notes, random draws, layers.
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "decoding/scheduler.h"
#include "latent/feedback.h"
#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/kernels/twins_only.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

// Noise of the row's own, growing with what was noted.
Feedback noisy() {
  return {"noisy", [](const StepState& state) {
            at::Tensor out_BD = state.hidden_BD().clone();
            for (int64_t b = 0; b < state.rows(); ++b) {
              double& times = state.notes(b).numbers["times"];
              times += 1;
              Rng rng = state.rng(b, /*seed=*/5);
              for (int64_t d = 0; d < out_BD.size(1); ++d) out_BD[b][d] += 0.1 * times * rng.normal();
            }
            return NextInput{out_BD, {}};
          }};
}

// Stops a row when a sum that it keeps passes 2.
Halt tired() {
  return {"tired", [](const StepState& state, const NextInput&) {
            std::vector<char> stop(state.rows());
            for (int64_t b = 0; b < state.rows(); ++b) {
              double& sum = state.notes(b).numbers["sum"];
              sum += state.rng(b, 6).uniform();
              stop[b] = sum > 2;
            }
            return stop;
          }};
}

const TokenRows kRulePrompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}, {2, 2}};

}  // namespace

TEST_CASE("the likeliest token is the first of equals, in every row and dtype") {
  const at::Tensor logits_BV = at::zeros({3, 1000});
  logits_BV[0].slice(0, 700, 1000).fill_(2);
  logits_BV[1][999] = 1;
  const auto check = [&] {
    const std::vector<int64_t> expected = {700, 999, 0};
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
      CHECK(likeliest_tokens(logits_BV.to(dtype), "test") == expected);
      CHECK(likeliest_tokens(logits_BV.to(dtype).t().contiguous().t(), "test") == expected);
      CHECK(likeliest_tokens(logits_BV.to(dtype).requires_grad_(), "test") == expected);
      CHECK(likeliest_tokens(logits_BV.to(dtype).narrow(0, 0, 0), "test").empty());
    }
  };
  check();
  const TwinsOnly twins;
  check();
}

TEST_CASE("the likeliest token refuses what is no finite number, in any row, and other shapes, saying which") {
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor logits_BV = at::zeros({4, 50}, dtype);
    logits_BV[2][7] = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(likeliest_tokens(logits_BV, "test"), doctest::Contains("for token 7 in row 2"), Error);
    CHECK_THROWS_WITH_AS(likeliest_tokens(at::zeros({50}, dtype), "test"), doctest::Contains("[B, V] but got [50]"),
                         Error);
  }
}

TEST_CASE("rules with notes and random draws give a row the same thoughts in any batch and any cut into calls") {
  const auto model = test::tiny_model();
  const ThinkOptions options{.max_steps = 9, .feedback = noisy(), .halt = tired(), .keep_trace = true};
  Session together(model, {.rows = 4, .capacity = 40});
  together.prefill(kRulePrompts);
  const Thoughts all = together.think(options);
  CHECK(all.steps != std::vector<int64_t>(4, all.steps[0]));  // rows stop at different times
  for (int64_t b = 0; b < 4; ++b) {
    Session alone(model, {.rows = 1, .capacity = 40});
    alone.prefill({kRulePrompts[b]});
    alone.name_rows(std::vector<int64_t>{b});
    for (int64_t k = 0; k < all.steps[b]; ++k) {
      ThinkOptions single = options;
      single.max_steps = 1;
      const Thoughts one = alone.think(single);
      REQUIRE(one.steps[0] == 1);
      CHECK(test::relative_error(one.trace_BKD[0][0], all.trace_BKD[b][k]) < 2e-5);
    }
    CHECK(alone.think(options).steps[0] == 0);
    CHECK(test::relative_error(alone.hidden_BD()[0], together.hidden_BD()[b]) < 2e-5);
  }
}

TEST_CASE("a running batch draws for a problem what the problem alone draws") {
  const auto model = test::tiny_model();
  const Procedure procedure{.think = {.max_steps = 9, .feedback = noisy(), .halt = tired()}, .answer_marker = {18}};
  for (const int64_t rows : {1, 3}) {
    solve_all(model, procedure, kRulePrompts, {.rows = rows, .solve = {.keep_trace = true, .ids = {7, 3, 9, 4}}},
              [&](int64_t problem, Solution got) {
                const std::vector<int64_t> id = {std::vector<int64_t>{7, 3, 9, 4}[problem]};
                const Solution alone =
                    solve(model, procedure, {kRulePrompts[problem]}, {.keep_trace = true, .ids = id});
                CHECK(got.thoughts.steps == alone.thoughts.steps);
                CHECK(test::relative_error(got.thoughts.trace_BKD, alone.thoughts.trace_BKD) < 2e-5);
                CHECK(got.answers[0].tokens == alone.answers[0].tokens);
                return true;
              });
  }
}

TEST_CASE("notes are forgotten when tokens are fed, kept by forks, and counted in thoughts") {
  const auto model = test::tiny_model();
  Session session(model, {.rows = 2, .capacity = 40});
  session.prefill({{1}, {2}});
  session.think({.max_steps = 3, .feedback = noisy()});
  CHECK(session.notes(1).thoughts == 3);
  CHECK(session.notes(1).number("times", 0) == 3);
  CHECK(session.notes(1).number("nothing", -1) == -1);
  Session fork = session.fork({1, 1});
  session.feed(TokenRows{{}, {3}});
  CHECK(session.notes(0).thoughts == 3);
  CHECK(session.notes(1).thoughts == 0);
  CHECK(session.notes(1).numbers.empty());
  CHECK(fork.notes(0).number("times", 0) == 3);
  session.think({.max_steps = 2});  // the fused loop counts as well
  CHECK(session.notes(1).thoughts == 2);
  session.adopt(0, fork, 1);
  CHECK(session.notes(0).thoughts == 3);
}

TEST_CASE("layers are the residual stream behind each block, of every row's last position") {
  const auto model = test::tiny_model({.layers = 3});
  Session session(model, {.rows = 2, .capacity = 40, .keep_layers = true});
  session.prefill({{1, 2, 3}, {4}});
  session.feed(TokenRows{{}, {5, 6}});
  const std::vector<int64_t> rows = {0, 1};
  const StepState state = session.state(rows, 0);
  for (int64_t b = 0; b < 2; ++b) {
    const std::vector<int64_t> text = b == 0 ? std::vector<int64_t>{1, 2, 3} : std::vector<int64_t>{4, 5, 6};
    const at::NoGradGuard no_grad;
    TrainingMemory memory(memory_layout(model->config()), std::vector<int64_t>{0}, at::kCPU);
    DepthTrace trace{.keep_layers = true};
    const at::Tensor ids = at::tensor(text, at::kLong).unsqueeze(0);
    model->forward(model->embed(ids), memory.open(3), memory, {}, &trace);
    REQUIRE(trace.layer_BTD.size() == 3);
    for (int64_t l = 0; l < 3; ++l) CHECK(test::relative_error(state.layer_BD(l)[b], trace.layer_BTD[l][0][2]) < 2e-5);
  }
  CHECK(at::equal(state.layer_BD(2), state.hidden_BD(HiddenAt::before_norm)));
  CHECK_THROWS_WITH_AS(state.layer_BD(3), doctest::Contains("a layer of 0 to 2 but got 3"), Error);
  const Thoughts last = session.fork(rows).think({.max_steps = 2, .feedback = feedback::layer(2), .keep_trace = true});
  const Thoughts usual = session.fork(rows).think({.max_steps = 2, .keep_trace = true});
  CHECK(test::relative_error(last.trace_BKD, usual.trace_BKD) < 2e-5);
  Session without(model, {.rows = 1, .capacity = 8});
  without.prefill({{1}});
  CHECK_THROWS_WITH_AS(without.think({.feedback = feedback::layer(0)}), doctest::Contains("keep_layers"), Error);
}

TEST_CASE("a weighted sum of tokens is the sum of their embeddings") {
  const auto model = test::tiny_model();
  const at::NoGradGuard no_grad;
  at::Tensor weight_BV = at::zeros({1, 20});
  weight_BV[0][3] = 0.25;
  weight_BV[0][7] = 0.75;
  const at::Tensor rows = model->embed(at::tensor(std::vector<int64_t>{3, 7}, at::kLong));
  CHECK(test::relative_error(model->embed_mixture(weight_BV)[0], 0.25 * rows[0] + 0.75 * rows[1]) < 1e-6);
}
