// CODI and PCCoT: a written chain of thought distilled into thoughts, one after the other and in parallel.
#include "latent/methods/distillation.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "decoding/scheduler.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/plain_pass.h"

using namespace tacit;
using test::PlainTokens;
using test::relative_error;
using test::TinyProblem;

namespace {

// The loss said again, a sequence at a time; the teacher's states are made without gradient.
at::Tensor plain_codi(const TinyProblem& problem, const Transformer& model, const MethodWeights& weights) {
  const Json& options = problem.settings.options;
  const ThoughtHead head = read_head(options);
  const auto rows = problem.rows();
  at::Tensor words = at::zeros({}), answers = at::zeros({});
  int64_t word_count = 0, answer_count = 0;
  std::vector<std::vector<at::Tensor>> student(2), teacher(2);  // by block, of every row
  for (size_t b = 0; b < rows.size(); ++b) {
    at::Tensor x_TD = test::embedded(model, rows[b].prompt);
    for (int64_t k = 0; k < problem.settings.latents; ++k) {
      const at::Tensor h_D = test::PlainPass(model, x_TD).last();
      x_TD = at::cat({x_TD, apply_head(head, weights, h_D).unsqueeze(0)});
    }
    const PlainTokens said(model, x_TD, rows[b]);
    answers = answers + said.sum;
    answer_count += said.count;

    TrainingRow written{.prompt = rows[b].prompt};
    std::string text = "[T]";
    for (const std::string& step : problem.examples[b].steps) text += " " + step;
    written.rest = problem.tokenizer->encode(text + " [A] " + problem.examples[b].answer + " [E]");
    written.rest_trained.assign(written.rest.size(), 1);
    written.rest_trained[0] = 0;
    const PlainTokens chain(model, test::embedded(model, written.prompt), written);
    words = words + chain.sum;
    word_count += chain.count;

    const at::NoGradGuard no_grad;
    const PlainTokens constant(model, test::embedded(model, written.prompt), written);
    const int64_t teacher_at = std::ssize(written.prompt) + std::ssize(written.rest) - 3;  // [A]
    for (size_t l = 0; l < 2; ++l) teacher[l].push_back(constant.pass.layers_TD[l][teacher_at]);
  }
  for (size_t b = 0; b < rows.size(); ++b) {  // with gradient again: the states at the student's [A]
    at::Tensor x_TD = test::embedded(model, rows[b].prompt);
    for (int64_t k = 0; k < problem.settings.latents; ++k)
      x_TD = at::cat({x_TD, apply_head(head, weights, test::PlainPass(model, x_TD).last()).unsqueeze(0)});
    const test::PlainPass pass(model, at::cat({x_TD, test::embedded(model, problem.tokenizer->encode("[A]"))}));
    for (size_t l = 0; l < 2; ++l) student[l].push_back(pass.layers_TD[l][x_TD.size(0)]);
  }
  at::Tensor distance = at::zeros({});
  for (size_t l = 0; l < 2; ++l) {
    const at::Tensor target = at::stack(teacher[l]), difference = (at::stack(student[l]) - target).abs();
    const at::Tensor smooth = at::where(difference < 1, 0.5 * difference * difference, difference - 0.5).mean();
    const at::Tensor spread = at::sqrt((target - target.mean()).square().sum() / (target.numel() - 1));
    distance = distance + 0.5 * smooth / spread;
  }
  return options.at("alpha").get<double>() * words / static_cast<double>(word_count) +
         options.at("beta").get<double>() * answers / static_cast<double>(answer_count) +
         options.at("gamma").get<double>() * distance;
}

}  // namespace

TEST_CASE(
    "CODI's loss and gradient are its definition; padding changes nothing and no distillation reaches the teacher") {
  const std::vector<Json> choices = {{{"alpha", 0.7}, {"beta", 1.5}, {"gamma", 2.0}},
                                     {{"alpha", 0.0}, {"beta", 0.0}},  // distillation alone
                                     {{"projector", "none"}}};
  for (const Json& choice : choices) {
    CAPTURE(choice.dump());
    const TinyProblem problem("codi", choice);
    const auto model = trainable_copy(*test::tiny_model());
    const MethodWeights weights = problem.weights(*model);
    const at::Tensor expected = plain_codi(problem, *model, weights);
    expected.backward();
    const auto expected_gradients = test::all_gradients(*model, weights);
    test::clear_gradients(*model, weights);
    const LatentLoss loss = problem.loss(*model, weights);
    CHECK(loss.total.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-5));
    loss.total.backward();
    std::string worst;
    CHECK_MESSAGE(test::same_gradients(test::all_gradients(*model, weights), expected_gradients, worst), worst);
    CHECK(loss.figures.size() == 2);
  }
}

TEST_CASE("a student that equals its teacher is not drawn anywhere; one that differs is") {
  const at::Tensor a = at::arange(8, at::kFloat).view({2, 4});
  CHECK(distillation_loss({a, -a}, {a, -a}).item<double>() == 0);
  CHECK(distillation_loss({a + 3}, {a}).item<double>() == doctest::Approx(2.5 / a.std().item<double>()));
  CHECK_THROWS_WITH_AS(distillation_loss({a}, {a, a}), doctest::Contains("as many blocks"), Error);
}

TEST_CASE("PCCoT with as many iterations as thoughts is CODI, in training and in thinking; with one it is not") {
  for (const std::string projector : {"mlp", "none"}) {
    CAPTURE(projector);
    TinyProblem codi("codi", {{"projector", projector}});
    codi.settings.latents = 4;
    const auto model = trainable_copy(*test::tiny_model());
    MethodWeights weights = codi.weights(*model);
    const LatentLoss sequential = codi.loss(*model, weights);
    sequential.total.backward();
    const auto expected_gradients = test::all_gradients(*model, weights);
    const TokenRows prompts = prompts_of(codi.rows());
    const Solution expected = solve(model, codi.procedure(weights), prompts, {.keep_trace = true});
    weights["start"] = at::full({32}, 0.3).set_requires_grad(true);
    for (const int64_t iterations : {1, 3, 4, 6}) {
      CAPTURE(iterations);
      test::clear_gradients(*model, weights);
      TinyProblem parallel("pccot", {{"projector", projector}, {"iterations", iterations}});
      parallel.settings.latents = 4;
      const LatentLoss loss = parallel.loss(*model, weights);
      const Solution got = solve(model, parallel.procedure(weights), prompts, {.keep_trace = true});
      CHECK(got.thoughts.steps == expected.thoughts.steps);
      const double apart = relative_error(got.thoughts.trace_BKD, expected.thoughts.trace_BKD);
      if (iterations < 4) {
        CHECK(apart > 1e-3);
        CHECK(std::abs(loss.total.item<double>() - sequential.total.item<double>()) > 1e-5);
        continue;
      }
      CHECK(apart < 5e-5);
      for (int64_t b = 0; b < 2; ++b) CHECK(got.answers[b].tokens == expected.answers[b].tokens);
      CHECK(loss.total.item<double>() == doctest::Approx(sequential.total.item<double>()).epsilon(1e-5));
      loss.total.backward();
      std::string worst;
      CHECK_MESSAGE(test::same_gradients(test::all_gradients(*model, weights), expected_gradients, worst), worst);
    }
  }
}

TEST_CASE("parallel thoughts of a problem do not depend on the batch or the scheduler") {
  const auto model = test::tiny_model();
  const std::vector<std::pair<std::string, Json>> methods = {
      {"pccot", {{"iterations", 2}}}, {"pccot", {{"width", 4}}}, {"lotus", {{"loops", 3}}}};
  for (const auto& [name, options] : methods) {
    CAPTURE(name);
    const TinyProblem problem(name, options);
    const Procedure procedure = problem.procedure(problem.weights(*model));
    const TokenRows prompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9, 1, 2}};
    const Solution together = solve(model, procedure, prompts, {.keep_trace = true});
    solve_all(model, procedure, prompts, {.rows = 2, .solve = {.keep_trace = true}}, [&](int64_t n, Solution got) {
      const Solution alone = solve(model, procedure, {prompts[n]}, {.keep_trace = true});
      CHECK(relative_error(alone.thoughts.trace_BKD[0], together.thoughts.trace_BKD[n]) < 5e-5);
      CHECK(relative_error(got.thoughts.trace_BKD[0], together.thoughts.trace_BKD[n]) < 5e-5);
      CHECK(got.answers[0].tokens == together.answers[n].tokens);
      CHECK(alone.answers[0].tokens == together.answers[n].tokens);
      return true;
    });
  }
}

TEST_CASE("options of CODI and PCCoT that make no sense are refused, and weights that are missing named") {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"codi", {{"gamma", -1.0}}},     {"codi", {{"projector", "x"}}}, {"pccot", {{"iterations", 0}}},
      {"pccot", {{"projector", "x"}}}, {"pccot", {{"vectors", 2}}},    {"pccot", {{"beta", -0.5}}}};
  for (const auto& [name, options] : cases) {
    CAPTURE(options.dump());
    CHECK_THROWS_AS(TinyProblem(name, options), Error);
  }
  CHECK_THROWS_WITH_AS(TinyProblem("pccot", Json::object()).procedure({}), doctest::Contains("'start'"), Error);
  const auto model = test::tiny_model();
  const TinyProblem codi("codi", Json::object());
  CHECK_THROWS_WITH_AS(codi.loss(*model, codi.weights(*model), {.recompute = true}), doctest::Contains("no recompute"),
                       Error);
}
