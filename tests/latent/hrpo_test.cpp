#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "latent/methods/hrpo_gate.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "lib/train/adamw.h"
#include "tests/latent/procedure_checks.h"

using namespace tacit;
using tacit::test::SmallWorld;

namespace {

MethodWeights gate_of(const SmallWorld& world, double low = 0.99, double high = 0.999) {
  return hrpo_gate_weights(world.model->config().hidden_size, low, high, /*seed=*/1);
}

Procedure hrpo(const SmallWorld& world, const MethodWeights& gate, const Json& options = Json::object()) {
  return bind_method(method("hrpo"), world.settings, world.tokenizer.get(), -1, gate, options);
}

// Some chains and answers that were drawn, with advantages that have no pattern.
struct Drawn {
  std::vector<Rollout> rollouts;
  std::vector<double> advantages;
};

Drawn drawn(const SmallWorld& world, const Transformer& model, const MethodWeights& gate) {
  const Procedure words = bind_method(method("cot"), world.settings, world.tokenizer.get());
  Drawn out{hrpo_rollouts(model, gate, words, with_suffix(words, test::some_prompts(3, 18)), {{1}, {2}, {3}},
                          {.group = 2, .seed = 5}),
            {0.7, -1.2, 0.3, 1.1, -0.6, 0.9}};
  return out;
}

}  // namespace

TEST_CASE("the hybrid input: a e + sqrt(1 - a^2) (sig(W e) . h), a = exp(-8 softplus(-lambda) sig(W e))") {
  const SmallWorld world;
  const MethodWeights gate = gate_of(world, 0.5, 0.9);
  const int64_t D = world.model->config().hidden_size;
  const at::NoGradGuard no_grad;
  const at::Tensor e = test::embedding_of(*world.model, 3), logits = 2 * at::sin(at::arange(18, at::kFloat));
  const at::Tensor p = at::softmax(logits / 0.8, -1);
  at::Tensor h = at::zeros({D});
  for (int64_t v = 0; v < 18; ++v) h += p[v] * test::embedding_of(*world.model, v) / p.square().sum().sqrt();
  CHECK(at::allclose(hrpo_residual(*world.model, logits, 0.8), h, 1e-4, 1e-4));
  const at::Tensor got = hrpo_input(gate, e, h);
  for (int64_t d = 0; d < D; ++d) {
    const auto opened = [&](const std::string& name) {
      double sum = gate.at(name + ".bias")[d].item<double>();
      for (int64_t i = 0; i < D; ++i) sum += gate.at(name + ".weight")[d][i].item<double>() * e[i].item<double>();
      return 1 / (1 + std::exp(-sum));
    };
    const double softplus = std::log1p(std::exp(-gate.at("lambda")[d].item<double>()));
    const double a = std::exp(-8 * softplus * opened("gate_r"));
    const double expected =
        a * e[d].item<double>() + std::sqrt(1 - a * a + 1e-8) * opened("gate_i") * h[d].item<double>();
    CHECK(got[d].item<double>() == doctest::Approx(expected).epsilon(1e-4));
  }
}

TEST_CASE("the gate starts with the token's share between the bounds given") {
  const SmallWorld world;
  const at::NoGradGuard no_grad;
  const at::Tensor e_VD = world.model->embed(at::arange(18));
  const at::Tensor share_VD = hrpo_share(gate_of(world), e_VD);
  CHECK(share_VD.min().item<double>() >= 0.99 - 1e-6);
  CHECK(share_VD.max().item<double>() < 1);
  MethodWeights open = gate_of(world, 0.9, 0.9);
  open["gate_r.bias"] += 100;  // fully open: the share is the bound itself
  CHECK(at::allclose(hrpo_share(open, e_VD), at::full_like(e_VD, 0.9), 1e-4, 1e-4));
  CHECK_THROWS_WITH_AS(gate_of(world, 0.9, 1), doctest::Contains("0 < low <= high < 1"), Error);
}

TEST_CASE("with a fresh gate a trained chain of thought writes the words that it wrote without") {
  const auto folder = std::filesystem::path(TACIT_SOURCE_DIR) / "models" / "cot";
  const auto model = load_model(folder);
  const auto tokenizer = load_tokenizer(folder);
  const MethodSettings settings =
      read_method_settings(read_json(folder / "config.json", "test"), (folder / "config.json").string());
  TokenRows prompts;
  for (int64_t i = 0; i < 30; ++i) prompts.push_back(tokenizer->encode(reach_example({}, /*seed=*/3, i).question));
  const auto words = [&](const char* name, const MethodWeights& weights) {
    return solve(model, bind_method(method(name), settings, tokenizer.get(), -1, weights), prompts).thoughts.tokens;
  };
  const auto plain = words("cot", {});
  const auto same = [&](double low, double high) {
    const auto mixed = words("hrpo", hrpo_gate_weights(model->config().hidden_size, low, high, 1));
    int64_t equal = 0;
    for (size_t b = 0; b < prompts.size(); ++b) equal += mixed[b] == plain[b];
    return equal;
  };
  CHECK(same(0.999999, 0.9999999) == 30);
  CHECK(same(0.99, 0.999) >= 20);  // the default: chains that waver between two words may change
}

TEST_CASE("hybrid thoughts are a row's own, greedy or drawn") {
  const SmallWorld world;
  const TokenRows prompts = test::some_prompts(6, 18);
  const MethodWeights gate = gate_of(world, 0.7, 0.9);
  test::check_procedure(world.model, hrpo(world, gate), prompts);
  test::check_procedure(world.model, hrpo(world, gate, {{"think_temperature", 1.0}, {"seed", 4}}), prompts);
  CHECK_THROWS_WITH_AS(hrpo(world, {}), doctest::Contains("expected a checkpoint of method hrpo"), Error);
  CHECK_THROWS_WITH_AS(hrpo(world, gate, {{"kl", 0.1}}), doctest::Contains("'reference' to name a checkpoint"), Error);
}

TEST_CASE("rollouts: a prompt's own whatever stands beside it, one seed one rollout, rewarded for the answer alone") {
  const SmallWorld world;
  const MethodWeights gate = gate_of(world);
  const Procedure words = bind_method(method("cot"), world.settings, world.tokenizer.get());
  const TokenRows prompts = with_suffix(words, test::some_prompts(2, 18));
  const auto roll = [&](const TokenRows& of, const TokenRows& expected, uint64_t seed) {
    return hrpo_rollouts(*world.model, gate, words, of, expected, {.group = 40, .seed = seed});
  };
  const auto both = roll(prompts, {{4}, {5}}, 1), first = roll({prompts[0]}, {{4}}, 1);
  std::set<std::vector<int64_t>> different;
  for (int64_t i = 0; i < 40; ++i) {
    CHECK(both[i].tokens == first[i].tokens);
    different.insert(both[i].tokens);
  }
  CHECK(different.size() > 30);
  CHECK(roll(prompts, {{4}, {5}}, 2)[0].tokens != both[0].tokens);
  const int64_t marker = world.id("[A]"), stop = world.id("[E]");
  for (const Rollout& rollout : both) {
    REQUIRE(rollout.tokens[rollout.thoughts] == marker);
    CHECK(rollout.drawn[rollout.thoughts] == (rollout.thoughts < 9));  // fed where the cap on words was reached
    const std::vector<int64_t> answer(rollout.tokens.begin() + rollout.thoughts + 1, rollout.tokens.end());
    const int64_t expected = &rollout - both.data() < 40 ? 4 : 5;
    CHECK(rollout.reward == (answer == std::vector<int64_t>{expected, stop} ? 1 : 0));
    CHECK(answer.size() <= 2);
  }
}

TEST_CASE("the policy's loss on fixed rollouts: replayed probabilities are the drawn ones, gradients are slopes") {
  at::set_num_threads(1);
  const SmallWorld world;
  const auto model = trainable_copy(*world.model);
  MethodWeights gate = gate_of(world, 0.6, 0.9);
  for (auto& [name, weight] : gate) weight = weight.clone().set_requires_grad(true);
  const Drawn fixed = drawn(world, *model, gate);
  std::map<std::string, at::Tensor> weights = model->weights();
  for (const auto& [name, weight] : gate) weights["gate/" + name] = weight;
  const auto loss = [&] {
    return hrpo_loss(*model, gate, fixed.rollouts, fixed.advantages, {.kl = 0.5, .reference = world.model.get()});
  };
  const LatentLoss at_start = loss();
  const std::map<std::string, double> figures(at_start.figures.begin(), at_start.figures.end());
  CHECK(figures.at("ratio_error") < 1e-3);
  CHECK(figures.at("token_share") > 0.6);
  CHECK(figures.at("kl") > 0);
  at_start.total.backward();
  Rng rng(8);
  const at::NoGradGuard no_grad;
  for (auto& [name, weight] : weights) {
    INFO(name);
    REQUIRE(weight.grad().defined());
    const at::Tensor gradient = weight.grad();
    const double size = gradient.norm().item<double>();
    for (const bool along : {true, false}) {
      at::Tensor direction = gradient.clone();
      if (!along) {
        for (int64_t i = 0; i < direction.numel(); ++i) direction.view(-1)[i] = rng.normal();
      }
      direction /= direction.norm() + 1e-12;
      const double step = 3e-3;
      const at::Tensor start = weight.clone();
      weight.copy_(start + step * direction);
      const double above = loss().total.item<double>();
      weight.copy_(start - step * direction);
      const double below = loss().total.item<double>();
      weight.copy_(start);
      const double slope = (above - below) / (2 * step), expected = (gradient * direction).sum().item<double>();
      CHECK(std::abs(slope - expected) < 0.02 * size + 2e-4);
    }
  }
}

// The model first learns to answer 3 or 9, as often; only 9 is right.
TEST_CASE("trained by reward, a policy that is right half of the time becomes right") {
  at::set_num_threads(1);
  SmallWorld world;
  const Method& how = method("hrpo");
  world.settings.options = method_options(how, {{"group", 8}}, "test");
  const auto model = trainable_copy(*world.model);
  MethodWeights gate = gate_of(world);
  std::map<std::string, at::Tensor> leaves = model->weights();
  for (auto& [name, weight] : gate) leaves["method/" + name] = weight = weight.set_requires_grad(true);
  AdamW optimizer(leaves, {});
  const std::vector<std::string> questions = {"5 7 | 7 9", "1 2 | 2 4", "8 0 | 0 6", "3 9 | 9 4"};
  const auto batch = [&](const char* first, const char* second) {
    std::vector<Example> out;
    for (size_t i = 0; i < questions.size(); ++i)
      out.push_back(world.example(questions[i], {"7"}, i % 2 == 0 ? first : second));
    for (size_t i = 0; i < questions.size(); ++i)
      out.push_back(world.example(questions[i], {"7"}, i % 2 == 0 ? second : first));
    return out;
  };
  const auto rows_of = [&](const std::vector<Example>& examples) {
    std::vector<TrainingRow> rows;
    for (const Example& e : examples) rows.push_back(how.row(e, {world.settings, *world.tokenizer, 0, 0}));
    return rows;
  };
  const auto step = [&](const at::Tensor& loss, double rate) {
    optimizer.zero_grad();
    loss.backward();
    clip_gradients(optimizer.weights(), 1);
    optimizer.step(rate);
  };
  const auto mixed = batch("3", "9"), right = batch("9", "9");
  for (int64_t i = 0; i < 60; ++i) step(text_loss(*model, rows_of(mixed)).loss, 0.01);
  std::vector<double> rewards;
  const auto rows = rows_of(right);
  for (uint64_t i = 0; i < 30; ++i) {
    const ObjectiveContext context{world.settings, *world.tokenizer, 0, 0, /*seed=*/100 * i};
    const LatentLoss loss = how.loss({*model, gate, rows, right, context, {}});
    rewards.push_back(std::map<std::string, double>(loss.figures.begin(), loss.figures.end()).at("reward"));
    step(loss.total, 0.003);
  }
  CHECK(rewards.front() < 0.75);
  CHECK(rewards.front() > 0.25);
  CHECK((rewards[27] + rewards[28] + rewards[29]) / 3 > 0.9);
}
