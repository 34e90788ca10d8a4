#include "latent/thought_head.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "decoding/scheduler.h"
#include "latent/train_method.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/plain_pass.h"

using namespace tacit;
using test::PlainPass;
using test::relative_error;
using test::TinyProblem;

namespace {

// Every option by itself, and together.
const std::vector<Json> choices = {
    {{"projector", "linear"}},
    {{"projector", "mlp"}},
    {{"width", 3}},
    {{"hidden_at", "before_norm"}},
    {{"layer", 0}},
    {{"layer", 0}, {"hidden_at", "before_norm"}, {"projector", "linear"}},
    {{"projector", "linear"}, {"vectors", 3}},
    {{"per_step", 2}},
    {{"projector", "mlp"}, {"vectors", 2}, {"width", 5}, {"layer", 1}, {"hidden_at", "before_norm"}, {"per_step", 2}},
};

// The head said again, in double precision.
at::Tensor plain_head(const Json& options, const MethodWeights& w, const at::Tensor& h_D, int64_t j) {
  const auto times = [&](const std::string& name, const at::Tensor& x) {
    const at::Tensor W = w.at(name).to(at::kDouble);
    at::Tensor out = at::zeros({W.size(0)}, at::kDouble);
    return (W * x.unsqueeze(0)).sum(1) + out;
  };
  at::Tensor z = h_D.to(at::kDouble);
  if (options.at("width") > 0) z = times("head.widen.weight", times("head.narrow.weight", z));
  const std::string head = "head." + std::to_string(j) + ".";
  if (options.at("projector") == "linear") z = times(head + "weight", z) + w.at(head + "bias");
  if (options.at("projector") == "mlp") {
    z = times(head + "in.weight", z) + w.at(head + "in.bias");
    z = z * 0.5 * (1 + at::erf(z / std::sqrt(2.0)));
    z = times(head + "out.weight", z) + w.at(head + "out.bias");
    z = (z - z.mean()) / at::sqrt(z.var(/*unbiased=*/false) + 1e-5);
    z = z * w.at(head + "norm.weight") + w.at(head + "norm.bias");
  }
  return z.to(at::kFloat);
}

// Coconut with any head, said again: inputs of the prompt and `thoughts` thoughts [T, D].
at::Tensor plain_thoughts(const Transformer& model, const Json& options, const MethodWeights& w,
                          const std::vector<int64_t>& prompt, int64_t thoughts) {
  at::Tensor x_TD = test::embedded(model, prompt);
  for (int64_t k = 0; k < thoughts; ++k) {
    const PlainPass pass(model, x_TD);
    const int64_t layer = options.at("layer"), last = x_TD.size(0) - 1;
    const bool normed = options.at("hidden_at") == "after_norm", top = layer < 0 || layer == 1;
    at::Tensor h_D = normed ? pass.last() : pass.raw_TD[last];
    if (!top) h_D = normed ? model.final_norm(pass.layers_TD[layer][last]) : pass.layers_TD[layer][last];
    for (int64_t j = 0; j < options.at("vectors"); ++j)
      x_TD = at::cat({x_TD, plain_head(options, w, h_D, j).unsqueeze(0)});
  }
  return x_TD;
}

}  // namespace

TEST_CASE("Coconut's loss through any head is its definition, gradient and all, and so are a session's thoughts") {
  for (const Json& choice : choices) {
    CAPTURE(choice.dump());
    TinyProblem problem("coconut", choice);
    problem.stage = 2;
    const Json& options = problem.settings.options;
    const auto model = trainable_copy(*test::tiny_model());
    const MethodWeights weights = problem.weights(*model);
    const int64_t thoughts = 2 * options.at("per_step").get<int64_t>();
    at::Tensor sum = at::zeros({});
    int64_t count = 0;
    const auto rows = problem.rows();
    std::vector<at::Tensor> inputs;
    for (const TrainingRow& row : rows) {
      CHECK(row.latents == thoughts * options.at("vectors").get<int64_t>());
      inputs.push_back(plain_thoughts(*model, options, weights, row.prompt, thoughts));
      const test::PlainTokens tokens(*model, inputs.back(), row);
      sum = sum + tokens.sum;
      count += tokens.count;
    }
    const at::Tensor expected = sum / static_cast<double>(count);
    expected.backward();
    const auto expected_gradients = test::all_gradients(*model, weights);
    test::clear_gradients(*model, weights);
    const LatentLoss loss = problem.loss(*model, weights);
    CHECK(loss.total.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-5));
    loss.total.backward();
    std::string worst;
    CHECK_MESSAGE(test::same_gradients(test::all_gradients(*model, weights), expected_gradients, worst), worst);
    for (const auto& [name, weight] : weights) CHECK_MESSAGE(expected_gradients.contains("method/" + name), name);

    const Solution solution = solve(model, problem.procedure(weights), prompts_of(rows), {.keep_trace = true});
    for (int64_t b = 0; b < 2; ++b) {
      const int64_t begin = std::ssize(rows[b].prompt);
      REQUIRE(solution.thoughts.steps[b] == inputs[b].size(0) - begin);
      CHECK(relative_error(solution.thoughts.trace_BKD[b], inputs[b].narrow(0, begin, solution.thoughts.steps[b])) <
            5e-5);
    }
  }
}

TEST_CASE("thoughts through any head are the same in any batch, any cut into calls, and in a running batch") {
  const auto model = test::tiny_model();
  for (const Json& choice : choices) {
    CAPTURE(choice.dump());
    const TinyProblem problem("coconut", choice);
    const MethodWeights weights = problem.weights(*model);
    const Procedure procedure = problem.procedure(weights);
    const TokenRows prompts = prompts_of(problem.rows());
    const Solution together = solve(model, procedure, prompts, {.keep_trace = true});
    Session alone(model, session_options(procedure, {}, 1, 64));
    alone.prefill({prompts[0]});
    ThinkOptions one = procedure.think;
    one.max_steps = 1;
    one.keep_trace = true;
    for (int64_t k = 0; k < procedure.think.max_steps; ++k)
      CHECK(relative_error(alone.think(one).trace_BKD[0][0], together.thoughts.trace_BKD[0][k]) < 5e-5);
    solve_all(model, procedure, prompts, {.rows = 2, .solve = {.keep_trace = true}}, [&](int64_t n, Solution got) {
      CHECK(relative_error(got.thoughts.trace_BKD[0], together.thoughts.trace_BKD[n]) < 5e-5);
      CHECK(got.answers[0].tokens == together.answers[n].tokens);
      return true;
    });
  }
}

TEST_CASE(
    "with default options coconut is what it was: the fast path, the hidden state, no weights, no options written") {
  TinyProblem problem("coconut", Json::object());
  problem.stage = 1;
  const auto model = trainable_copy(*test::tiny_model());
  CHECK(problem.weights(*model).empty());
  CHECK(at::equal(problem.loss(*model, {}).total, latent_loss(*model, problem.rows()).total));
  CHECK(problem.loss(*model, {}, {.recompute = true}).total.defined());
  const Procedure procedure = problem.procedure({});
  CHECK((feedback::hidden_at(procedure.think.feedback) == HiddenAt::after_norm));
  const Json recipe = {{"method", "coconut"}};
  CHECK_FALSE(to_json(train_config_from_json(recipe, "test")).contains("options"));
  const Json chosen = {{"method", "coconut"}, {"options", {{"projector", "mlp"}}}};
  const OrderedJson written = to_json(train_config_from_json(chosen, "test"));
  CHECK(written.at("options").size() == problem.settings.options.size());
  CHECK(written.at("options").at("projector") == "mlp");
}

TEST_CASE("a thought may pass through few numbers only, and a fresh linear head passes all of it") {
  const ThoughtHead narrow{.width = 3}, linear{.projector = Projector::linear};
  Rng rng(5);
  at::Tensor h_ND = at::empty({40, 32});
  for (int64_t i = 0; i < h_ND.numel(); ++i) h_ND.mutable_data_ptr<float>()[i] = static_cast<float>(rng.normal());
  const at::Tensor z_ND = apply_head(narrow, head_weights(narrow, 32, 1), h_ND);
  CHECK(std::get<0>(at::linalg_svd(z_ND, false)).size(1) == 32);
  const at::Tensor values = at::linalg_svdvals(z_ND);
  CHECK(values[2].item<double>() > 1e-2);
  CHECK(values[3].item<double>() < 1e-4);
  CHECK(at::equal(apply_head(linear, head_weights(linear, 32, 1), h_ND), h_ND));
}

TEST_CASE("options of a head that make no sense are refused") {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"projector", "mpl"}}, "none, linear or mlp"},
      {{{"hidden_at", "norm"}}, "after_norm or before_norm"},
      {{{"layer", -2}}, "layer"},
      {{{"width", -1}}, "width"},
      {{{"vectors", 0}}, "vectors"},
      {{{"vectors", 2}}, "without a projector"},
      {{{"per_step", 0}}, "per_step"},
      {{{"vectrs", 2}}, "did you mean 'vectors'"},
  };
  for (const auto& [given, message] : cases) {
    CAPTURE(given.dump());
    CHECK_THROWS_WITH_AS(TinyProblem("coconut", given), doctest::Contains(message.c_str()), Error);
  }
  const auto model = test::tiny_model();
  CHECK_THROWS_WITH_AS(TinyProblem("coconut", {{"width", 33}}).weights(*model), doctest::Contains("at most 32"), Error);
  TinyProblem deep("coconut", {{"layer", 2}});
  deep.stage = 1;
  CHECK_THROWS_WITH_AS(deep.loss(*model, {}), doctest::Contains("a layer below 2 but got 2"), Error);
  const TinyProblem mlp("coconut", {{"projector", "mlp"}});
  CHECK_THROWS_WITH_AS(solve(model, mlp.procedure({}), {{1, 2}}), doctest::Contains("trained with 'head.0."), Error);
  CHECK_THROWS_WITH_AS(mlp.loss(*model, mlp.weights(*model), {.recompute = true}), doctest::Contains("no recompute"),
                       Error);
}
