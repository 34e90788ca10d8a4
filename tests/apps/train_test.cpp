#include <doctest/doctest.h>

#include "lib/core/json.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const std::string kRecipe =
    R"({"method": "frontier", "frontier": "explored", "through_thoughts": false, "teacher_forcing": 0.3, "steps": 80, "batch": 4,
  "latents": 3, "checkpoint_every": 3, "growth": {"fraction": 0.5, "min_nodes": 6, "max_nodes": 7, "min_depth": 1, "max_depth": 2},
  "reach": {"min_nodes": 8, "max_nodes": 9, "min_depth": 1, "max_depth": 3, "labels": 10},
  "model": {"hidden_size": 16, "intermediate_size": 16, "vocab_size": 18}})";

std::vector<std::string> train_command(const std::filesystem::path& recipe, const std::filesystem::path& out) {
  return {TACIT_BINARY, "train", "--config", recipe, "--out", out, "--threads", "1", "--json"};
}

}  // namespace

TEST_CASE("a training killed with SIGKILL again and again, and resumed, has the weights of an undisturbed one") {
  const ScratchFolder scratch;
  put(scratch / "recipe.json", kRecipe);
  REQUIRE(run_program(train_command(scratch / "recipe.json", scratch / "whole")).code == 0);
  int kills = 0;
  for (double seconds = 0.3; seconds < 60; seconds += 0.1) {
    std::vector<std::string> command = {"timeout", "--signal=KILL", std::to_string(seconds)};
    for (const std::string& word : train_command(scratch / "recipe.json", scratch / "killed")) command.push_back(word);
    command.push_back("--resume");
    const Finished done = run_program(command);
    if (done.code == 0) break;
    REQUIRE(done.code == 137);
    ++kills;
  }
  CHECK(kills > 0);
  for (const char* file :
       {"model.safetensors", "training_state.safetensors", "config.json", "tokenizer.json", "train.json"}) {
    CHECK(read_file(scratch / "whole" / file, "test") == read_file(scratch / "killed" / file, "test"));
  }
}

TEST_CASE("train works with no config, prints its final figures and leaves a checkpoint that eval opens") {
  const ScratchFolder scratch;
  const Finished done = run_tacit({"train", "--method", "direct", "--task", "reach", "--steps", "2", "--batch", "2",
                                   "--out", scratch / "out", "--threads", "1", "--json"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json figures = parse_json(done.out, "test", "stdout");
  CHECK(figures["step"] == 2);
  CHECK(figures["loss"].get<double>() > 0);
  int64_t lines = 0;
  for_each_line(scratch / "out" / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
    const Json line = parse_json(text, "test", "metrics.jsonl");
    if (!line.contains("validation")) {
      ++lines;
      CHECK(line["step"] == lines);
      CHECK(line.contains("loss"));
    }
  });
  CHECK(lines == 2);
  CHECK(run_tacit({"eval", "--model", scratch / "out", "--task", "reach", "--count", "3", "--method", "latent",
                   "--latency-problems", "0"})
            .code == 0);
}

TEST_CASE("bad trainings end in one clear line, with nothing written over") {
  const ScratchFolder scratch;
  put(scratch / "recipe.json", R"({"method": "frontier", "stepz": 3})");
  put(scratch / "torn.json", R"({"method": )");
  struct Case {
    std::vector<std::string> args;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"--method", "direct"}, 2, "'--out'"},
      {{"--method", "diredt", "--out", scratch / "o"}, 1, "did you mean 'direct'?"},
      {{"--config", scratch / "recipe.json", "--out", scratch / "o"}, 1, "stepz"},
      {{"--config", scratch / "torn.json", "--out", scratch / "o"}, 1, "torn.json"},
      {{"--config", scratch / "nowhere.json", "--out", scratch / "o"}, 1, "nowhere.json"},
      {{"--method", "direct", "--steps", "0", "--out", scratch / "o"}, 2, "'--steps'"},
      {{"--method", "direct", "--init", scratch / "nowhere", "--out", scratch / "o"}, 1, "nowhere"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> args = {"train"};
    args.insert(args.end(), c.args.begin(), c.args.end());
    const Finished done = run_tacit(args);
    CAPTURE(c.message);
    CAPTURE(done.err);
    CHECK(done.code == c.code);
    CHECK(holds(done.err, c.message));
    CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
    CHECK_FALSE(std::filesystem::exists(scratch / "o" / "model.safetensors"));
  }
}
