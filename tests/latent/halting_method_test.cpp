#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <cmath>

#include "decoding/solve.h"
#include "latent/halt_rule.h"
#include "latent/train_method.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

Json recipe_of(const std::string& method) {
  return {{"method", method},
          {"steps", 6},
          {"batch", 4},
          {"latents", 3},
          {"checkpoint_every", 3},
          {"validate_every", 6},
          {"reach", {{"min_nodes", 8}, {"max_nodes", 9}, {"min_depth", 1}, {"max_depth", 3}, {"labels", 10}}}};
}

// A frontier checkpoint of some training, to halt.
std::filesystem::path base_checkpoint(const ScratchFolder& scratch) {
  at::set_num_threads(1);
  Json recipe = recipe_of("frontier");
  recipe["model"] = {{"hidden_size", 16}, {"intermediate_size", 16}, {"vocab_size", 18}};
  recipe["learning_rate"] = 0.02;
  recipe["steps"] = 40;
  recipe["least_latents"] = 1;
  train_method(train_config_from_json(recipe, "test"), scratch / "base", false, {});
  return scratch / "base";
}

TrainConfig halting_config(const std::filesystem::path& base, int64_t steps = 6) {
  Json recipe = recipe_of("halting");
  recipe["init"] = base.string();
  recipe["steps"] = steps;
  recipe["learning_rate"] = 0.05;
  return train_config_from_json(recipe, "test");
}

}  // namespace

TEST_CASE("halting: the head learns, the model's bytes stay, and a resumed training ends as an undisturbed one") {
  const ScratchFolder scratch;
  const auto base = base_checkpoint(scratch);
  const TrainConfig config = halting_config(base);
  train_method(config, scratch / "whole", false, {});
  CHECK_THROWS_AS(train_method(config, scratch / "parts", false, [](const Progress& p) { return p.done < 4; }),
                  Interrupted);
  train_method(config, scratch / "parts", true, {});
  for (const char* file : {"model.safetensors", "method.safetensors", "config.json", "train.json"})
    CHECK(read_file(scratch / "whole" / file, "test") == read_file(scratch / "parts" / file, "test"));
  const auto before = load_model(base), after = load_model(scratch / "whole");
  for (const auto& [name, weight] : before->weights()) CHECK(at::equal(weight, after->weights().at(name)));
  const MethodWeights head = load_method_weights(scratch / "whole");
  CHECK(head.at(kHaltingWeight).abs().sum().item<double>() > 0);
}

TEST_CASE("halting: labels are what decoding gives after k thoughts, and the loss is their cross entropy") {
  const ScratchFolder scratch;
  const auto model = load_model(base_checkpoint(scratch));
  const auto tokenizer = load_tokenizer(scratch / "base");
  MethodSettings settings = read_method_settings(model->config().raw, "test");
  settings.method = "halting";
  settings.options = method("halting").options;
  const ObjectiveContext context{settings, *tokenizer, 3, 0};
  std::vector<Example> examples;
  std::vector<TrainingRow> rows;
  const TrainConfig config = halting_config(scratch / "base");
  for (int64_t i = 0; i < 6; ++i) {
    examples.push_back(reach_example(config.reach, 5, i));
    rows.push_back(method("halting").row(examples.back(), context));
  }
  MethodWeights weights = {{kHaltingWeight, at::linspace(-1, 1, 16).set_requires_grad(true)},
                           {kHaltingBias, at::full({1}, 0.3).set_requires_grad(true)}};
  const LatentLoss loss = method("halting").loss({*model, weights, rows, examples, context, {}});
  loss.total.backward();
  CHECK(weights.at(kHaltingWeight).grad().defined());

  double sum = 0;
  int64_t rights = 0;
  for (int64_t b = 0; b < 6; ++b) {
    for (int64_t k = 0; k < 3; ++k) {
      const Procedure p = bind_method(method("frontier"), settings, tokenizer.get(), k);
      const Solution solution = solve(model, p, {rows[b].prompt});
      const bool right =
          tokenizer->decode(solution.answers[0].tokens) == examples[b].answer && solution.answers[0].stopped;
      Session session(model, {.rows = 1, .capacity = 200});
      session.prefill({rows[b].prompt});
      session.think({.max_steps = k});
      const double logit = session.hidden_BD()[0].dot(weights.at(kHaltingWeight).detach()).item<double>() + 0.3;
      sum -= std::log(1 / (1 + std::exp(right ? -logit : logit)));
      rights += right;
    }
  }
  CHECK(loss.total.item<double>() == doctest::Approx(sum / 18).epsilon(1e-4));
  REQUIRE(loss.figures.at(0).first == "right");
  CHECK(loss.figures[0].second == doctest::Approx(static_cast<double>(rights) / 18));
}

TEST_CASE("halting: the trained folder thinks as its base does and stops where the head says so") {
  const ScratchFolder scratch;
  const auto base = base_checkpoint(scratch);
  train_method(halting_config(base), scratch / "halts", false, {});
  const auto model = load_model(scratch / "halts");
  const auto tokenizer = load_tokenizer(scratch / "halts");
  const MethodSettings settings = read_method_settings(model->config().raw, "test");
  MethodWeights weights = load_method_weights(scratch / "halts");
  const auto steps = [&](double bias) {
    weights[kHaltingBias] = at::full({1}, bias);
    const Procedure p = bind_method(method("latent", settings), settings, tokenizer.get(), -1, weights);
    CHECK(p.method == "halting");
    return solve(model, p, {tokenizer->encode("1 2 | 2 3 | [Q] 3 4 [R] 1")}).thoughts.steps[0];
  };
  CHECK(steps(-1000) == 3);
  CHECK(steps(1000) == 0);
}

TEST_CASE("halting: a start that cannot be halted is refused, nothing is written") {
  const ScratchFolder scratch;
  const auto base = base_checkpoint(scratch);
  TrainConfig config = halting_config(base);
  config.init.clear();
  CHECK_THROWS_WITH_AS(train_method(config, scratch / "none", false, {}),
                       doctest::Contains("expected a checkpoint to start from ('init') for method 'halting'"), Error);
  Json recipe = recipe_of("halting");
  recipe["init"] = base.string();
  recipe["options"] = {{"base", "coconut"}};
  CHECK_THROWS_WITH_AS(train_method(train_config_from_json(recipe, "test"), scratch / "none", false, {}),
                       doctest::Contains("expected a checkpoint of method 'coconut' (option 'base')"), Error);
  CHECK_FALSE(exists(scratch / "none"));
  for (const auto& [options, message] : std::vector<std::pair<Json, const char*>>{
           {{{"threshold", 2}}, "'threshold' to lie in 0..1"},
           {{{"base", "cot"}}, "'base' to be a method with a number of thoughts"},
           {{{"base", "halting"}}, "'base' to be a method with a number of thoughts"},
           {{{"base_options", {{"no", 1}}}}, "expected an option of method 'frontier' but got 'no'"}}) {
    recipe["options"] = options;
    CHECK_THROWS_WITH_AS(train_config_from_json(recipe, "test"), doctest::Contains(message), Error);
  }
}

TEST_CASE("frontier: numbers of thoughts drawn from a range, all of them; beyond reach the end is trained") {
  Json recipe = recipe_of("frontier");
  recipe["least_latents"] = 1;
  const TrainConfig config = train_config_from_json(recipe, "test");
  CHECK(to_json(config).at("least_latents") == 1);
  std::vector<int64_t> seen(4, 0);
  for (int64_t i = 0; i < 200; ++i) ++seen.at(latents_at(config, i));
  CHECK(seen[0] == 0);
  for (int64_t n = 1; n <= 3; ++n) CHECK(seen[n] > 40);
  TrainConfig off = config;
  off.least_latents = 0;
  CHECK(latents_at(off, 7) == 3);
  CHECK_FALSE(to_json(off).contains("least_latents"));
  recipe["least_latents"] = 4;
  CHECK_THROWS_WITH_AS(train_config_from_json(recipe, "test"),
                       doctest::Contains("'least_latents' to be at most latents"), Error);
  recipe["method"] = "coconut";
  CHECK_THROWS_WITH_AS(train_config_from_json(recipe, "test"), doctest::Contains("'least_latents' to be absent"),
                       Error);

  const auto tokenizer = make_word_tokenizer(reach_vocabulary(10));
  const MethodSettings settings = {
      .method = "frontier", .latents = 3, .frontier = "explored", .markers = {.answer = "[A]", .end = "[E]"}};
  Example e;
  e.question = "5 7 | 7 9 | 5 2 | [Q] 9 3 [R] 5";
  e.answer = "9";
  e.meta = {{"root", "5"}, {"depth", 2}, {"frontiers", {{"2", "7"}, {"9"}}}};
  const auto rest = [&](int64_t latents) {
    const TrainingRow row = method("frontier").row(e, {settings, *tokenizer, latents, 0});
    CHECK(row.latents == latents);
    CHECK(row.rest_trained.back() == 1);
    return tokenizer->decode(row.rest);
  };
  CHECK(rest(1) == "[A] [E]");
  CHECK(rest(2) == "[A] 9 [E]");
  CHECK(rest(3) == "[A] 9 [E]");
}
