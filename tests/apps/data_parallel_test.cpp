#include <doctest/doctest.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "lib/core/files.h"
#include "lib/core/json.h"
#include "lib/train/data_parallel.h"
#include "tests/apps/checkpoint.h"
#include "tests/lib/core_support.h"
#include "tests/support/run_binary.h"
#include "tests/support/several_processes.h"

using namespace tacit;
using namespace tacit::test;

namespace {

Json recipe_of(const std::string& method, int64_t steps) {
  return {{"method", method},
          {"steps", steps},
          {"batch", 4},
          {"checkpoint_every", 3},
          {"validate_every", 10},
          {"learning_rate", 0.003},
          {"warmup_steps", 0},
          {"reach", {{"min_nodes", 8}, {"max_nodes", 9}, {"min_depth", 1}, {"max_depth", 3}, {"labels", 10}}},
          {"model", {{"hidden_size", 16}, {"intermediate_size", 16}, {"vocab_size", 18}}}};
}

// The command as torchrun would start it.
std::vector<std::string> command_of(int64_t rank, int64_t size, int port, const std::filesystem::path& recipe,
                                    const std::filesystem::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {"env",
                                      "RANK=" + std::to_string(rank),
                                      "WORLD_SIZE=" + std::to_string(size),
                                      "MASTER_ADDR=127.0.0.1",
                                      "MASTER_PORT=" + std::to_string(port),
                                      TACIT_BINARY,
                                      "train",
                                      "--config",
                                      recipe,
                                      "--out",
                                      out,
                                      "--threads",
                                      "1",
                                      "--json"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

struct Pair {
  int port = free_port();
  RunningProgram first, second;
  Pair(const std::filesystem::path& recipe, const std::filesystem::path& out, const std::vector<std::string>& more = {})
      : first(command_of(0, 2, port, recipe, out, more)), second(command_of(1, 2, port, recipe, out, more)) {}
};

void train_in_two(const std::filesystem::path& recipe, const std::filesystem::path& out,
                  const std::vector<std::string>& more = {}) {
  Pair pair(recipe, out, more);
  const Finished first = pair.first.wait(), second = pair.second.wait();
  CAPTURE(first.err);
  CAPTURE(second.err);
  REQUIRE(first.code == 0);
  REQUIRE(second.code == 0);
  CHECK(second.out.empty());
  CHECK(holds(first.out, "\"loss\""));
}

std::vector<Json> metrics(const std::filesystem::path& folder) {
  std::vector<Json> out;
  for_each_line(folder / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
    Json line = Json::parse(text);
    line.erase("ms");
    out.push_back(line);
  });
  return out;
}

// Every number of two curves, and that there is one.
void check_same_curve(const std::vector<Json>& a, const std::vector<Json>& b, size_t updates) {
  REQUIRE(a.size() == b.size());
  size_t losses = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const Json x = a[i].flatten(), y = b[i].flatten();
    REQUIRE(x.size() == y.size());
    losses += a[i].contains("loss");
    for (const auto& [field, value] : x.items()) {
      CAPTURE(i);
      CAPTURE(field);
      CHECK(value.get<double>() == doctest::Approx(y.at(field).get<double>()).epsilon(1e-5));
    }
  }
  CHECK(losses == updates);
}

void wait_for_state(const std::filesystem::path& folder, int64_t step) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (saved_steps(folder) < step) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

TEST_CASE("two processes train as one with the doubled batch does, where all rows train as many tokens") {
  if (!can_run()) return;
  const ScratchFolder scratch;
  Json recipe = recipe_of("direct", 40);
  put(scratch / "half.json", recipe.dump());
  recipe["batch"] = 8;
  put(scratch / "whole.json", recipe.dump());
  train_in_two(scratch / "half.json", scratch / "two");
  REQUIRE(run_program(command_of(0, 1, 1, scratch / "whole.json", scratch / "one")).code == 0);
  check_same_curve(metrics(scratch / "two"), metrics(scratch / "one"), 40);
  CHECK(read_json(scratch / "two" / "train.json", "test")["processes"] == 2);
  CHECK_FALSE(read_json(scratch / "one" / "train.json", "test").contains("processes"));
}

TEST_CASE("two processes train as one that accumulates twice as many micro-batches does, whatever the rows") {
  if (!can_run()) return;
  const ScratchFolder scratch;
  Json recipe = recipe_of("cot", 30);
  recipe["average"] = 0.9;
  recipe["select"] = {{"figure", "token_loss"}, {"better", "lower"}};
  put(scratch / "half.json", recipe.dump());
  recipe["accumulate"] = 2;
  put(scratch / "whole.json", recipe.dump());
  train_in_two(scratch / "half.json", scratch / "two");
  const Finished one = run_program(command_of(0, 1, 1, scratch / "whole.json", scratch / "one"));
  REQUIRE(one.code == 0);
  CHECK(holds(one.out, "\"selected\":{\"step\":30,\"token_loss\":"));
  check_same_curve(metrics(scratch / "two"), metrics(scratch / "one"), 30);
}

TEST_CASE("a process that is killed or stopped ends the others with an error, and the training can be resumed") {
  if (!can_run()) return;
  const ScratchFolder scratch;
  Json recipe = recipe_of("direct", 100000);  // no kill comes too late; on a flat schedule the number changes nothing
  recipe.update({{"decay_fraction", 0}, {"validate_every", 50}});
  put(scratch / "long.json", recipe.dump());
  const auto broken = scratch / "broken";
  int64_t wanted = 6;
  for (const int signal : {SIGKILL, SIGSTOP, SIGKILL}) {
    CAPTURE(signal);
    CAPTURE(wanted);
    Pair pair(scratch / "long.json", broken, {"--resume", "--timeout", signal == SIGSTOP ? "6" : "60"});
    wait_for_state(broken, wanted);
    const bool kill_first = wanted == 6;
    (kill_first ? pair.first : pair.second).send(signal);
    const Finished other = (kill_first ? pair.second : pair.first).wait();
    CAPTURE(other.err);
    CHECK(other.code == 1);
    CHECK(holds(other.err, "expected all 2 processes in "));
    CHECK(holds(other.err, " of step "));
    if (signal == SIGSTOP) pair.second.send(SIGKILL);
    CHECK((kill_first ? pair.first : pair.second).wait().code == 128 + SIGKILL);
    REQUIRE(saved_steps(broken) >= wanted);
    wanted = saved_steps(broken) + 6;
  }
  recipe["steps"] = wanted + 4;
  put(scratch / "recipe.json", recipe.dump());
  train_in_two(scratch / "recipe.json", broken, {"--resume"});
  train_in_two(scratch / "recipe.json", scratch / "whole");
  CHECK(metrics(broken) == metrics(scratch / "whole"));
  for (const char* file : {"model.safetensors", "training_state.safetensors", "train.json"})
    CHECK(read_file(broken / file, "test") == read_file(scratch / "whole" / file, "test"));
}

TEST_CASE("an interrupt in one process stops all with their work saved") {
  if (!can_run()) return;
  const ScratchFolder scratch;
  Json recipe = recipe_of("direct", 100000);
  recipe["checkpoint_every"] = 7;
  put(scratch / "recipe.json", recipe.dump());
  Pair pair(scratch / "recipe.json", scratch / "out");
  wait_for_state(scratch / "out", 7);
  pair.second.send(SIGINT);
  const Finished first = pair.first.wait(), second = pair.second.wait();
  CAPTURE(first.err);
  CAPTURE(second.err);
  CHECK(first.code == 130);
  CHECK(second.code == 130);
  CHECK(saved_steps(scratch / "out") == metrics(scratch / "out").back()["step"].get<int64_t>());
}

TEST_CASE("processes that would not train together are told so") {
  if (!can_run()) return;
  const ScratchFolder scratch;
  put(scratch / "recipe.json", recipe_of("direct", 4).dump());
  const int port = free_port();
  RunningProgram first(command_of(0, 2, port, scratch / "recipe.json", scratch / "out"));
  RunningProgram second(command_of(1, 2, port, scratch / "recipe.json", scratch / "out", {"--batch", "8"}));
  for (RunningProgram* program : {&first, &second}) {
    const Finished done = program->wait();
    CAPTURE(done.err);
    CHECK(done.code == 1);
    CHECK(holds(done.err, "expected the recipe of rank 0, 'batch' of 4 but got 8 in rank 1"));
  }
  CHECK_FALSE(exists(scratch / "out" / "metrics.jsonl"));

  const Finished alone =
      run_program(command_of(0, 2, free_port(), scratch / "recipe.json", scratch / "alone", {"--timeout", "1"}));
  CAPTURE(alone.err);
  CHECK(alone.code == 1);
  CHECK(holds(alone.err, "expected all 2 processes in the start at 127.0.0.1"));

  Json recipe = recipe_of("direct", 4);
  recipe["processes"] = 2;
  put(scratch / "two.json", recipe.dump());
  const Finished one = run_program(command_of(0, 1, 1, scratch / "two.json", scratch / "one"));
  CHECK(one.code == 1);
  CHECK(holds(one.err, "expected the 2 processes of the recipe but got 1"));
  const Finished outside = run_program(command_of(2, 2, 1, scratch / "recipe.json", scratch / "one"));
  CHECK(outside.code == 2);
  CHECK(holds(outside.err, "expected RANK in the environment from 0 to 1 but got '2'"));
  const Finished no_device =
      run_program(command_of(0, 2, 1, scratch / "recipe.json", scratch / "one", {"--device", "cuda"}));
  CHECK(no_device.code == 2);
  CHECK(holds(no_device.err, "expected LOCAL_RANK in the environment from 0 to 65535 but got ''"));
}
