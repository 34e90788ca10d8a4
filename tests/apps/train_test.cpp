#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "lib/core/json.h"
#include "tests/apps/checkpoint.h"
#include "tests/lib/tokenizer_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

constexpr int64_t kSteps = 180;  // two seconds of work, so that a kill meant for the middle comes before the end

const std::string kRecipe =
    R"({"method": "frontier", "frontier": "explored", "through_thoughts": false, "teacher_forcing": 0.3, "batch": 4,
  "latents": 3, "checkpoint_every": 3, "growth": {"fraction": 0.5, "min_nodes": 6, "max_nodes": 7, "min_depth": 1, "max_depth": 2},
  "reach": {"min_nodes": 8, "max_nodes": 9, "min_depth": 1, "max_depth": 3, "labels": 10},
  "model": {"hidden_size": 16, "intermediate_size": 16, "vocab_size": 18}})";

std::vector<std::string> train_command(const std::filesystem::path& recipe, const std::filesystem::path& out) {
  return {TACIT_BINARY, "train", "--config",  recipe, "--steps", std::to_string(kSteps),
          "--out",      out,     "--threads", "1",    "--json"};
}

}  // namespace

TEST_CASE("a training killed with SIGKILL again and again, and resumed, has the weights of an undisturbed one") {
  const ScratchFolder scratch;
  put(scratch / "recipe.json", kRecipe);
  REQUIRE(run_program(train_command(scratch / "recipe.json", scratch / "whole")).code == 0);
  std::vector<std::string> command = train_command(scratch / "recipe.json", scratch / "killed");
  command.push_back("--resume");
  int kills = 0;
  int64_t saved = 0;
  for (int64_t stage : {0, 30, 60, 90, 120}) {
    const int64_t wanted = std::max(stage, saved + 1);  // each kill waits for a state of its own
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(90);
    RunningProgram training(command);
    for (int64_t seen; (seen = saved_steps(scratch / "killed")) < wanted && !training.ended();) {
      REQUIRE(seen >= saved);  // what was done is not done again
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    // At once the kill comes between a state and its checkpoint, later in the midst of an update or of another state.
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * kills));
    training.send(SIGKILL);
    const Finished done = training.wait();
    CAPTURE(done.err);
    saved = saved_steps(scratch / "killed");
    CAPTURE(saved);
    if (saved == kSteps) break;  // came too late to interrupt anything
    REQUIRE(done.code == 137);
    REQUIRE(saved >= wanted);
    ++kills;
  }
  CHECK(kills >= 3);
  REQUIRE(run_program(command).code == 0);
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
  int64_t lines = 0, validations = 0;
  for_each_line(scratch / "out" / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
    const Json line = parse_json(text, "test", "metrics.jsonl");
    if (!line.contains("validation")) {
      ++lines;
      CHECK(line["step"] == lines);
      CHECK(line.contains("loss"));
    } else {
      ++validations;
      CHECK(line["validation"]["examples"] == 128);
    }
  });
  CHECK(validations == 1);
  CHECK(lines == 2);
  CHECK(run_tacit({"eval", "--model", scratch / "out", "--task", "reach", "--count", "3", "--method", "latent",
                   "--latency-problems", "0"})
            .code == 0);
}

TEST_CASE("train --resume says where there is nothing to resume, and begins") {
  const ScratchFolder scratch;
  const std::vector<std::string> train = {"train",         "--method",  "direct",  "--task",  "reach",
                                          "--steps",       "1",         "--batch", "2",       "--out",
                                          scratch / "new", "--threads", "1",       "--resume"};
  const Finished begun = run_tacit(train);
  CHECK(begun.code == 0);
  CHECK(holds(begun.err, "tacit: nothing to resume in " + (scratch / "new").string() + ": starts anew\n"));
  const Finished again = run_tacit(train);
  CHECK(again.code == 0);
  CHECK_FALSE(holds(again.err, "nothing to resume"));
  const Finished lost = run_tacit({"train", "--resume", "--out", scratch / "mistyped", "--threads", "1"});
  CHECK(lost.code == 2);
  CHECK(holds(lost.err, "expected a training in '" + (scratch / "mistyped").string() + "' to resume"));
  CHECK_FALSE(exists(scratch / "mistyped"));
}

TEST_CASE("every generated task trains and is evaluated on problems like those it was trained on") {
  for (const std::string task : {"pointer", "chain", "listops", "walks", "maze"}) {
    CAPTURE(task);
    const ScratchFolder scratch;
    const std::string options = task == "walks" ? R"({"length": 5})" : R"({"depth": [1, 2]})";
    const Finished done =
        run_tacit({"train", "--method", "coconut", "--task", task, "--generator", options, "--steps", "2", "--batch",
                   "2", "--latents", "2", "--out", scratch / "out", "--threads", "1"});
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    const Finished scored = run_tacit({"eval", "--model", scratch / "out", "--count", "6", "--seed", "2", "--out",
                                       scratch / "run", "--latency-problems", "0", "--threads", "1", "--json"});
    CAPTURE(scored.err);
    REQUIRE(scored.code == 0);
    const Json record = read_json(scratch / "run" / "run.json", "test");
    CHECK(record["task"] == task);
    CHECK(record["generator"][task == "walks" ? "length" : "depth"] == (task == "walks" ? Json{5, 5} : Json{1, 2}));
    CHECK(record["generator"]["count"] == 6);
    CHECK(record["seed"] == 2);
    CHECK(record["labels"].is_null());
    CHECK(parse_json(scored.out, "test", "stdout")["heuristics"].size() >= 3);
    // The same folder is another run's under other options.
    const Finished other = run_tacit(
        {"eval", "--model", scratch / "out", "--count", "6", "--seed", "2", "--out", scratch / "run", "--generator",
         task == "walks" ? R"({"length": 6})" : R"({"depth": 2})", "--latency-problems", "0", "--threads", "1"});
    CHECK(other.code == 1);
    CHECK(holds(other.err, "generator"));
  }
}

TEST_CASE(
    "a checkpoint that reads through a mask answers in eval, run and compare, and has no score from left to right") {
  const ScratchFolder scratch;
  const std::string model = scratch / "tree";
  const Finished done =
      run_tacit({"train", "--method", "tree", "--task", "listops", "--generator", R"({"depth": [1, 2], "words": 30})",
                 "--steps", "2", "--batch", "2", "--out", model, "--threads", "1"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const auto asked = [](std::vector<std::string> command) {
    command.insert(command.end(), {"--count", "6", "--latency-problems", "2", "--threads", "1"});
    return run_tacit(command);
  };
  const Finished scored = asked({"eval", "--model", model, "--json"});
  CAPTURE(scored.err);
  REQUIRE(scored.code == 0);
  const Json metrics = parse_json(scored.out, "test", "stdout");
  CHECK(metrics["examples"] == 6);
  CHECK(metrics["mean_tokens"] == 1);
  CHECK(metrics["mean_memory_bytes"] == 0);
  const Finished beside =
      asked({"compare", "--model", model, "--model", model, "--method", "tree", "--method", "direct"});
  CAPTURE(beside.err);
  CHECK(beside.code == 0);
  const Finished answered = run_tacit({"run", "--model", model, "--question", "[MAX 2 [MIN 4 7 ] ]", "--threads", "1"});
  CHECK(answered.code == 0);
  CHECK(holds(answered.out, "\ntree, 0 thoughts, "));
  const Finished open = run_tacit({"run", "--model", model, "--question", "[MAX 2 [MIN 4 7 ]", "--threads", "1"});
  CHECK(open.code == 1);
  CHECK(holds(open.err, "[tree] expected every list to be closed by ']' in row 0 but 1 are not"));
  const Finished refused = run_tacit({"score", "--model", model, "--text", "[MAX 2 3 ] [A]", "--threads", "1"});
  CHECK(refused.code == 1);
  CHECK(holds(refused.err, "method 'tree' reads its prompts through a mask"));
}

TEST_CASE("a model of GPT-2's kind trains a stage of Coconut on files in its own tokens and is evaluated on them") {
  const ScratchFolder scratch;
  put(scratch / "gsm.txt", "How many?||<<1+1=2>> <<2*2=4>> #### 4\nAnd 7?||<<3+4=7>> #### 7\n");
  std::filesystem::create_directories(scratch / "words");
  Json tokenizer = tiny_bpe_json();
  tokenizer["added_tokens"] = {added_token(277, "<|endoftext|>"), added_token(278, "###")};
  put(scratch / "words/tokenizer.json", tokenizer.dump());
  put(scratch / "recipe.json", Json{{"method", "coconut"},
                                    {"tokenizer", scratch / "words"},
                                    {"latents", 2},
                                    {"steps", 3},
                                    {"batch", 2},
                                    {"model",
                                     {{"model_type", "gpt2"},
                                      {"vocab_size", 279},
                                      {"n_positions", 128},
                                      {"n_embd", 16},
                                      {"n_layer", 2},
                                      {"n_head", 2}}}}
                                   .dump());
  const Finished done = run_tacit({"train", "--config", scratch / "recipe.json", "--task", "gsm8k_aug", "--data",
                                   scratch / "gsm.txt", "--out", scratch / "out", "--threads", "1"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Finished scored = run_tacit({"eval", "--model", scratch / "out", "--data", scratch / "gsm.txt", "--out",
                                     scratch / "run", "--latency-problems", "0", "--threads", "1"});
  CAPTURE(scored.err);
  REQUIRE(scored.code == 0);
  const std::string samples = read_file(scratch / "run" / "samples.jsonl", "test");
  CHECK(std::count(samples.begin(), samples.end(), '\n') == 2);
  CHECK(holds(samples, R"("question":"How many?\n")"));
  CHECK(holds(samples, R"("expected":"4")"));
  const Json record = read_json(scratch / "run" / "run.json", "test");
  CHECK(record["task"] == "gsm8k_aug");
  CHECK(record["style"].is_null());
  CHECK(record["seed"].is_null());
  CHECK(record["data_sha256"].is_string());
  // A training that starts from it takes its tokenizer.
  const Finished next =
      run_tacit({"train", "--method", "direct", "--task", "gsm8k_aug", "--data", scratch / "gsm.txt", "--init",
                 scratch / "out", "--steps", "1", "--batch", "2", "--out", scratch / "next", "--threads", "1"});
  CAPTURE(next.err);
  REQUIRE(next.code == 0);
  CHECK(read_file(scratch / "next" / "tokenizer.json", "test") == tokenizer.dump());
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
      {{"--method", "diredt", "--out", scratch / "o"}, 2, "did you mean 'direct'?"},
      {{"--method", "nothing", "--out", scratch / "o"}, 2, "colar, hrpo, halting,"},
      {{"--method", "swi", "--out", scratch / "o"}, 1, "'swi' is not"},
      {{"--method", "latent", "--out", scratch / "o"}, 2, "a method to train"},
      {{"--task", "prosqua", "--out", scratch / "o"}, 2, "did you mean 'prosqa'?"},
      {{"--method", "direct", "--task", "prosqa", "--out", scratch / "o"}, 1, "'data' to be the file of task prosqa"},
      {{"--method", "direct", "--data", scratch / "recipe.json", "--out", scratch / "o"}, 1, "'data' to be absent"},
      {{"--method", "direct", "--generator", "{}", "--out", scratch / "o"}, 1, "'generator' to be absent"},
      {{"--method", "direct", "--task", "maze", "--generator", "{\"sizee\": 3}", "--out", scratch / "o"}, 1, "'size'?"},
      {{"--method", "direct", "--task", "maze", "--generator", "[]", "--out", scratch / "o"}, 1, "[]"},
      {{"--method", "frontier", "--task", "chain", "--batch", "2", "--out", scratch / "o"},
       1,
       "but those of 'chain' lack it"},
      {{"--method", "walk", "--task", "pointer", "--batch", "2", "--out", scratch / "o"},
       1,
       "but those of 'pointer' lack it"},
      {{"--method", "direct", "--latents", "4", "--out", scratch / "o"}, 1, "'latents' to be absent"},
      {{"--config", scratch / "recipe.json", "--out", scratch / "o"}, 1, "stepz"},
      {{"--config", scratch / "torn.json", "--out", scratch / "o"}, 1, "torn.json"},
      {{"--config", scratch / "nowhere.json", "--out", scratch / "o"}, 1, "nowhere.json"},
      {{"--method", "direct", "--steps", "0", "--out", scratch / "o"}, 2, "'--steps'"},
      {{"--method", "direct", "--init", scratch / "nowhere", "--out", scratch / "o"}, 1, "nowhere"},
      {{"--method", "direct", "--graphs", "--out", scratch / "o"}, 2, "'--device cuda' beside '--graphs'"},
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

TEST_CASE(
    "a training goes on by its folder's own recipe, also for more steps; what another recipe says is refused by both "
    "values") {
  const ScratchFolder scratch;
  put(scratch / "recipe.json", kRecipe);
  const std::string out = scratch / "out";
  REQUIRE(run_program({TACIT_BINARY, "train", "--config", scratch / "recipe.json", "--steps", "3", "--out", out,
                       "--threads", "1"})
              .code == 0);
  const Finished more =
      run_program({TACIT_BINARY, "train", "--resume", "--steps", "5", "--out", out, "--threads", "1"});
  CAPTURE(more.err);
  CHECK(more.code == 0);
  CHECK(more.out.find("frontier on reach, 5 steps") != more.out.npos);
  const Finished other = run_program({TACIT_BINARY, "train", "--resume", "--batch", "8", "--out", out});
  CHECK(other.code == 1);
  CHECK(other.err.find("'batch' of 4 but got 8") != other.err.npos);
  const Finished method = run_program({TACIT_BINARY, "train", "--resume", "--method", "direct", "--out", out});
  CHECK(method.code == 2);
  CHECK(method.err.find("expected '--method' of \"frontier\", as ") != method.err.npos);
}

TEST_CASE("a folder to start from that is not there, or one that cannot be made, is named") {
  const ScratchFolder scratch;
  const Finished start = run_program({TACIT_BINARY, "train", "--init", scratch / "nothing", "--out", scratch / "a"});
  CHECK(start.code == 1);
  CHECK(start.err.find("[train] expected a checkpoint's folder to start from ('init')") != start.err.npos);
  put(scratch / "file", "text");
  const Finished made =
      run_program({TACIT_BINARY, "train", "--steps", "1", "--batch", "1", "--out", scratch / "file/sub"});
  CHECK(made.code == 1);
  CHECK(made.err.find("[train] expected a folder that can be made at") != made.err.npos);
}
