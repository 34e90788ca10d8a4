#include "latent/trainer_config.h"

#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include "latent/train_method.h"
#include "lib/core/files.h"
#include "lib/model/checkpoint.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

Json small_recipe() {
  return {{"method", "direct"},
          {"steps", 6},
          {"batch", 3},
          {"checkpoint_every", 2},
          {"validate_every", 2},
          {"reach", {{"min_nodes", 8}, {"max_nodes", 9}, {"min_depth", 1}, {"max_depth", 3}, {"labels", 10}}},
          {"model", {{"hidden_size", 16}, {"intermediate_size", 16}, {"vocab_size", 18}}}};
}

void train_in(const std::filesystem::path& folder, const Json& recipe, bool resume = false) {
  train_method(train_config_from_json(recipe, "test"), folder, resume, {});
}

}  // namespace

TEST_CASE("a recipe with all that a trainer can do reads back as itself, and says nothing of what is off") {
  Json recipe = small_recipe();
  const Json plain = Json::parse(to_json(train_config_from_json(recipe, "test")).dump());
  recipe["average"] = 0.99;
  recipe["lora"] = {{"rank", 2}, {"alpha", 4.0}, {"targets", {"query", "key"}}};
  recipe["select"] = {{"figure", "token_accuracy"}, {"better", "higher"}, {"patience", 3}};
  recipe["processes"] = 2;
  const TrainConfig config = train_config_from_json(recipe, "test");
  CHECK(config.trainer.trained.lora.seed == config.seed);
  CHECK(config.trainer.micro_batches() == 2);
  const Json written = Json::parse(to_json(config).dump());
  for (const char* field : {"average", "lora", "select", "processes"}) {
    CHECK(written.at(field) == recipe.at(field));
    CHECK_FALSE(plain.contains(field));
  }
  CHECK(Json::parse(to_json(train_config_from_json(written, "test")).dump()) == written);
}

TEST_CASE("a trainer's field that cannot be, or would do nothing, is refused by name") {
  const std::pair<Json, std::string> cases[] = {
      {{{"average", 1}}, "'average' to lie in 0..1, 1 excluded"},
      {{{"lora", {{"rank", 0}}}}, "'lora.rank' to be an integer from 1"},
      {{{"lora", {{"alpha", 2}}}}, "'lora.rank'"},
      {{{"lora", {{"rank", 2}, {"targets", Json::array()}}}}, "'lora.targets' to name at least one"},
      {{{"lora", {{"rank", 2}}}, {"freeze_model", true}}, "'lora' to be absent"},
      {{{"select", {{"figure", "token_loss"}, {"better", "less"}}}}, "'select.better' to be higher or lower"},
      {{{"select", {{"figure", "token_loss"}, {"better", "lower"}, {"patience", -1}}}}, "'select.patience'"},
      {{{"validate_every", 0}, {"select", {{"figure", "token_loss"}, {"better", "lower"}}}}, "'select' to be absent"},
      {{{"processes", 0}}, "'processes' to be an integer from 1"},
  };
  for (const auto& [fields, message] : cases) {
    CAPTURE(fields.dump());
    Json recipe = small_recipe();
    recipe.update(fields);
    CHECK_THROWS_WITH_AS(train_config_from_json(recipe, "recipe.json"), doctest::Contains(message.c_str()), Error);
  }
}

TEST_CASE("a method without weights of its own cannot be trained beside a frozen model") {
  const ScratchFolder scratch;
  Json recipe = small_recipe();
  recipe["freeze_model"] = true;
  CHECK_THROWS_WITH_AS(train_in(scratch / "out", recipe), doctest::Contains("weights of its own"), Error);
}

TEST_CASE("low-rank factors begin at the loss of the model that they adapt, and move only what they are put beside") {
  at::set_num_threads(1);
  const ScratchFolder scratch;
  Json recipe = small_recipe();
  recipe["learning_rate"] = 0.05;
  train_in(scratch / "plain", recipe);
  recipe["lora"] = {{"rank", 2}, {"targets", {"query"}}};
  train_in(scratch / "low", recipe);
  const auto first_loss = [&](const char* folder) {
    double loss = 0;
    for_each_line(scratch / folder / "metrics.jsonl", "test", [&](std::string_view text, int64_t number) {
      if (number == 1) loss = Json::parse(text)["loss"];
    });
    return loss;
  };
  CHECK(first_loss("low") == first_loss("plain"));
  CHECK(first_loss("low") > 0);
  const TrainConfig config = train_config_from_json(recipe, "test");
  const auto before = make_model(model_config_from_json(config.model, "test"), config.seed, config.matched_attention);
  const auto after = load_model(scratch / "low");
  for (const auto& [name, weight] : before->weights()) {
    CAPTURE(name);
    CHECK(at::equal(weight, after->weights().at(name)) == !name.ends_with(".query.weight"));
  }
}

TEST_CASE("a resumed recipe that differs is refused with the field and both values") {
  const ScratchFolder scratch;
  const Json recipe = small_recipe();
  train_in(scratch / "out", recipe);
  const std::string before = read_file(scratch / "out" / "train.json", "test");
  const std::pair<Json, std::string> cases[] = {
      {{{"batch", 4}}, "expected 'batch' of 3 but got 4 in the recipe that"},
      {{{"learning_rate", 0.5}}, "expected 'learning_rate' of 0.001 but got 0.5"},
      {{{"average", 0.5}}, "expected 'average' of nothing but got 0.5"},
      {{{"processes", 2}}, "expected 'processes' of nothing but got 2"},
      {{{"steps", 5}}, "expected at least the 6 steps that are done but got 5"},
  };
  for (const auto& [fields, message] : cases) {
    CAPTURE(fields.dump());
    Json other = recipe;
    other.update(fields);
    CHECK_THROWS_WITH_AS(train_in(scratch / "out", other, true), doctest::Contains(message.c_str()), Error);
    CHECK(read_file(scratch / "out" / "train.json", "test") == before);
  }
  Json other = recipe;
  other["reach"]["max_depth"] = 2;
  CHECK_THROWS_WITH_AS(train_in(scratch / "out", other, true),
                       doctest::Contains("expected 'reach.max_depth' of 3 but got 2"), Error);
}

TEST_CASE("a finished training goes on when its recipe asks for more steps") {
  const ScratchFolder scratch;
  Json recipe = small_recipe();
  train_in(scratch / "out", recipe);
  recipe["steps"] = 9;
  train_in(scratch / "out", recipe, true);
  CHECK(read_json(scratch / "out" / "train.json", "test")["steps"] == 9);
  int64_t updates = 0;
  for_each_line(scratch / "out" / "metrics.jsonl", "test",
                [&](std::string_view text, int64_t) { updates += Json::parse(text).contains("loss"); });
  CHECK(updates == 9);
}
