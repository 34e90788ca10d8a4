#include <doctest/doctest.h>

#include "lib/core/folder_lock.h"
#include "tests/lib/trainer_support.h"

// What a training finds in its folder: another one, its own of before, or what is not its own.

using namespace tacit;
using namespace tacit::test;

namespace {

// Of a training that is stopped after two of its four updates, or gone on with.
std::string error_of_part(const std::filesystem::path& folder, const Json& recipe, bool resume) {
  Regression r;
  return error_of([&] {
    train(r.model, r.problem(), options_of(4), trained_config(), recipe.dump(), folder, resume,
          [&](const Progress& p) { return resume || p.done != 2; });
  });
}

}  // namespace

TEST_CASE("what could not be trained, written or gone on with is refused before anything is") {
  const ScratchFolder scratch;
  const auto error = [&](const std::function<void(std::shared_ptr<Transformer>&, TrainingProblem&, TrainerOptions&,
                                                  Json&, std::string&)>& change) {
    Regression r;
    TrainingProblem problem = r.problem();
    TrainerOptions options = options_of(2);
    Json config = trained_config();
    std::string recipe = "{}";
    change(r.model, problem, options, config, recipe);
    return error_of([&] { train(r.model, problem, options, config, recipe, scratch / "out", false, {}); });
  };
  using Model = std::shared_ptr<Transformer>;
  const std::vector<std::pair<std::string, std::string>> got = {
      {error([](Model& model, auto&, auto&, auto&, auto&) {
         model = std::make_shared<Transformer>(*tiny_model({.hidden_size = 8, .layers = 1}));
       }),
       "expected a model whose weights take gradients, as trainable_copy() makes one"},
      {error([](Model&, auto& problem, auto&, auto&, auto&) { problem.loss = nullptr; }),
       "expected a problem with a loss"},
      {error([](Model&, auto&, auto& options, auto&, auto&) { options.checkpoint_every = 0; }),
       "expected a checkpoint every 1 or more updates but got 0"},
      {error([](Model&, auto&, auto&, auto&, auto& recipe) { recipe = "my run"; }), "in the recipe"},
      {error([](Model&, auto&, auto&, auto&, auto& recipe) { recipe = "[]"; }), "expected the recipe as a JSON object"},
      {error([](Model&, auto&, auto&, auto& config, auto&) { config = tiny_config({.hidden_size = 16, .layers = 1}); }),
       "expected the model's config but got one with"}};
  for (const auto& [message, expected] : got) {
    CAPTURE(message);
    CHECK(holds(message, expected));
  }
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
}

TEST_CASE("options left at their defaults must be those of before, where the state says what they were") {
  const ScratchFolder scratch;
  const auto stopped = [&](const char* folder, const Json& recipe, bool resume) {
    return error_of_part(scratch / folder, recipe, resume);
  };
  const Json silent = {{"steps", 4}}, says = {{"steps", 4}, {"options_with_defaults", {{"share", .5}}}},
             other = {{"steps", 4}, {"options_with_defaults", {{"share", .9}}}};
  CHECK(holds(stopped("said", says, false), "interrupted after step 2"));
  CHECK(holds(stopped("said", other, true), "'options_with_defaults.share' of 0.5 but got 0.9"));
  CHECK(stopped("said", says, true).empty());
  CHECK(holds(stopped("silent", silent, false), "interrupted after step 2"));
  CHECK(stopped("silent", says, true).empty());
}

TEST_CASE("a default that changed since is no hindrance to whoever chooses the old value, or has chosen the new one") {
  const ScratchFolder scratch;
  const auto stopped = [&](const char* folder, const Json& recipe, bool resume) {
    return error_of_part(scratch / folder, recipe, resume);
  };
  const auto recipe = [](const char* field, double share) { return Json{{"steps", 4}, {field, {{"share", share}}}}; };
  const auto chosen = [&](double share) {
    Json out = recipe("options_with_defaults", share);
    out["options"] = out["options_with_defaults"];
    return out;
  };
  const Json left = recipe("options_with_defaults", .5);
  CHECK(holds(stopped("left", left, false), "interrupted after step 2"));
  CHECK(holds(stopped("left", recipe("options_with_defaults", .4), true),
              "'options_with_defaults.share' of 0.5 but got 0.4"));
  CHECK(stopped("left", chosen(.5), true).empty());
  // Of before: all options, where one was chosen, and nothing of defaults.
  CHECK(holds(stopped("before", recipe("options", .5), false), "interrupted after step 2"));
  CHECK(holds(stopped("before", chosen(.4), true), "'options.share' of 0.5 but got 0.4"));
  CHECK(stopped("before", left, true).empty());  // now the default
}

TEST_CASE("a training that another process is at is neither begun nor resumed, and its log stays") {
  const ScratchFolder scratch;
  Regression first;
  std::string error, before, after;
  train(first.model, first.problem(), options_of(4), trained_config(), R"({"steps": 4})", scratch / "out", false,
        [&](const Progress& p) {
          if (p.done != 3) return true;  // there is a state
          before = read_file(scratch / "out" / "metrics.jsonl", "test");
          Regression second;
          error = error_of([&] { run(second, options_of(4), scratch / "out", /*resume=*/true); });
          after = read_file(scratch / "out" / "metrics.jsonl", "test");
          return true;
        });
  CHECK(holds(error, "[train] expected to be alone in writing to " + (scratch / "out").string() + " but"));
  CHECK(after == before);
  CHECK(lines_with(scratch / "out", "loss").size() == 4);
  CHECK_FALSE(exists(scratch / "out" / ".tacit-lock"));
}

TEST_CASE(
    "a caller's files are put into the folder by whoever is alone there, once the recipe is found to be the same") {
  const ScratchFolder scratch;
  int64_t begun = 0;
  const auto trained = [&](const Json& recipe, bool resume) {
    Regression r;
    TrainingProblem problem = r.problem();
    problem.begin = [&] { ++begun; };
    return error_of(
        [&] { train(r.model, problem, options_of(2), trained_config(), recipe.dump(), scratch / "out", resume, {}); });
  };
  std::filesystem::create_directories(scratch / "out");
  {
    const FolderLock other(scratch / "out", "test");
    CHECK(holds(trained({{"steps", 2}}, false), "[train] expected to be alone in writing to"));
  }
  CHECK(begun == 0);
  CHECK(trained({{"steps", 2}}, false).empty());
  CHECK(begun == 1);
  CHECK(holds(trained({{"steps", 2}, {"seed", 3}}, true), "in the recipe that"));
  CHECK(holds(trained({{"steps", 2}}, false), "expected a folder without a training"));
  CHECK(begun == 1);
  CHECK(trained({{"steps", 2}}, true).empty());
  CHECK(begun == 2);
}

TEST_CASE("a training that cannot begin leaves what was there, a link that leads nowhere too") {
  const ScratchFolder scratch;
  std::filesystem::create_symlink("/not/mounted", scratch / "link");
  Regression r;
  for (const char* folder : {"link/sub/out", "link/"}) {
    const std::string error = error_of([&] { run(r, options_of(2), scratch / folder); });
    CHECK(holds(error, "expected a folder that can be made at"));
    CHECK(std::filesystem::is_symlink(scratch / "link"));
  }
}

TEST_CASE("a training that cannot begin leaves no folder that it made, wherever its path leads") {
  const ScratchFolder scratch;
  std::filesystem::create_directories(scratch / "far/away");
  std::filesystem::create_directory_symlink(scratch / "far/away", scratch / "link");
  Regression r;
  TrainingProblem problem = r.problem();
  problem.begin = [] { fail("test", "no"); };
  for (const std::string folder : {"new/out", "new/out/", "link/out", "link/../out", "link/../new/out"}) {
    CAPTURE(folder);
    CHECK(error_of([&] {
            train(r.model, problem, options_of(2), trained_config(), "{}", scratch / folder, false, {});
          }) == "[test] no");
    for (const char* made : {"new", "out", "far/out", "far/new", "far/away/out"})
      CHECK_FALSE(std::filesystem::exists(scratch / made));
    CHECK(std::filesystem::exists(scratch / "far/away"));
  }
}

TEST_CASE("a training with weights of a method's own is not gone on with without them") {
  const ScratchFolder scratch;
  Regression with, without;
  CHECK_THROWS_AS(run(with, options_of(4), scratch / "out", false, 2), Interrupted);
  const std::string error =
      error_of([&] { run(without, options_of(4), scratch / "out", true, 0, /*with_head=*/false); });
  CHECK(holds(error, "expected a training with 'method/head', as it has been, but it is left out now"));
}

TEST_CASE("more steps continue a training, fewer than are done are refused") {
  const ScratchFolder scratch;
  Regression whole, first, rest;
  run(whole, options_of(9), scratch / "whole");
  run(first, options_of(5), scratch / "parts");
  run(rest, options_of(9), scratch / "parts", true);
  CHECK(rest.seen.size() == 4);
  CHECK(at::equal(saved(scratch / "whole"), saved(scratch / "parts")));  // its schedule is flat
  CHECK(holds(error_of([&] { run(rest, options_of(8), scratch / "parts", true); }),
              "expected at least the 9 steps that are done but got 8"));
}

TEST_CASE("processes that cannot be are refused") {
  CHECK(holds(error_of([] { join_data_parallel({.rank = 2, .world_size = 2}); }), "below the number of processes, 2"));
  CHECK(join_data_parallel({})->size() == 1);
  if (!has_data_parallel()) {
    CHECK(holds(error_of([] { join_data_parallel({.rank = 0, .world_size = 2}); }), "no headers of Gloo"));
  }
}
