#include <doctest/doctest.h>

#include <cmath>

#include "latent/train_method.h"
#include "lib/core/error.h"
#include "tests/latent/procedure_checks.h"

using namespace tacit;
using tacit::test::SmallWorld;

namespace {

TrainingRow row_of(const SmallWorld& world, const Json& options, int64_t stage, uint64_t seed = 0,
                   const std::string& how = "icot") {
  MethodSettings settings = world.settings;
  settings.options = method_options(method(how), options, "test");
  const Example example = world.example("5 7 | 7 9 | [Q] 9 3 [R] 5", {"7", "2", "4", "8", "9"}, "9");
  return method(how).row(example, {settings, *world.tokenizer, 0, stage, seed});
}

}  // namespace

TEST_CASE("each stage takes tokens from the chain's left; the last takes them all and is the direct answer") {
  const SmallWorld world;
  const Json options = {{"remove_per_stage", 2}, {"removal_stages", 4}, {"smoothing", 0.0}};
  const std::vector<std::pair<std::string, std::string>> expected = {{"[T] 7 2 4 8 9 [A] 9 [E]", "7 2 4 8 9 [A] 9 [E]"},
                                                                     {"[T] 4 8 9 [A] 9 [E]", "4 8 9 [A] 9 [E]"},
                                                                     {"[T] 9 [A] 9 [E]", "9 [A] 9 [E]"},
                                                                     {"[A] 9 [E]", "9 [E]"},
                                                                     {"[A] 9 [E]", "9 [E]"}};
  CHECK(stages_of(method("icot"), 6, method_options(method("icot"), options, "test")) == 5);
  for (int64_t stage = 0; stage < 5; ++stage) {
    const TrainingRow row = row_of(world, options, stage);
    std::vector<int64_t> trained;
    for (size_t i = 0; i < row.rest.size(); ++i) {
      if (row.rest_trained[i]) trained.push_back(row.rest[i]);
    }
    CHECK(world.tokenizer->decode(row.prompt) == "5 7 | 7 9 | [Q] 9 3 [R] 5");
    CHECK(row.latents == 0);
    CHECK(world.tokenizer->decode(row.rest) == expected[stage].first);
    CHECK(world.tokenizer->decode(trained) == expected[stage].second);
  }
  const TrainingRow last = row_of(world, options, 4), direct = row_of(world, Json::object(), 0, 0, "direct");
  CHECK(last.rest == direct.rest);
  CHECK(last.rest_trained == direct.rest_trained);
  const Procedure procedure = bind_method(method("icot"), world.settings, world.tokenizer.get());
  CHECK(procedure.max_thoughts() == 0);
  CHECK(procedure.prompt_suffix.empty());
}

TEST_CASE("removal smoothing: o tokens more with probability (1 - exp(-lambda)) exp(-lambda o)") {
  const SmallWorld world;
  for (const double lambda : {4.0, 0.5}) {
    constexpr int64_t kRows = 5000;
    std::vector<int64_t> times(6, 0);  // by tokens that are left, 5 at first
    for (int64_t i = 0; i < kRows; ++i) {
      const TrainingRow row = row_of(world, {{"smoothing", lambda}}, 0, static_cast<uint64_t>(i));
      const auto left = row.rest[0] == world.id("[T]") ? std::ssize(row.rest) - 4 : 0;  // besides [T] [A] 9 [E]
      ++times[5 - left];
    }
    for (int64_t o = 0; o < 6; ++o) {
      const double p = o < 5 ? (1 - std::exp(-lambda)) * std::exp(-lambda * static_cast<double>(o))
                             : std::exp(-5 * lambda);  // five and more
      CHECK(std::abs(static_cast<double>(times[o]) / kRows - p) < 5 * std::sqrt(p * (1 - p) / kRows) + 1e-9);
    }
  }
}

TEST_CASE("icot's recipe: optimiser reset at each stage unless told otherwise, options refused by name") {
  const TrainConfig config = train_config_from_json({{"method", "icot"}}, "test");
  CHECK(config.reset_optimizer);
  CHECK_FALSE(train_config_from_json({{"method", "icot"}, {"reset_optimizer", false}}, "test").reset_optimizer);
  CHECK_FALSE(train_config_from_json({{"method", "coconut"}}, "test").reset_optimizer);
  const auto refused = [](const Json& options) {
    train_config_from_json({{"method", "icot"}, {"options", options}}, "recipe.json");
  };
  CHECK_THROWS_WITH_AS(refused({{"remove_per_stage", 0}}), doctest::Contains("'remove_per_stage' to lie in"), Error);
  CHECK_THROWS_WITH_AS(refused({{"smoothing", -1.0}}), doctest::Contains("'smoothing' to be at least 0"), Error);
}
