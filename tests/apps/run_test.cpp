#include <doctest/doctest.h>

#include "datasets/example.h"
#include "lib/core/json.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

TEST_CASE("run takes options of the method, over the checkpoint's own, and refuses those that it has not") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "cot", "cot");
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = {"run",      "--model", scratch / "cot", "--question",
                                     question(), "--json",  "--method",      "soft-thinking"};
    args.insert(args.end(), more.begin(), more.end());
    return run_tacit(args);
  };
  const auto steps = [](const Finished& done) { return Json::parse(done.out)["steps"].get<int64_t>(); };
  const Finished plain = run({}), cold = run({"--option", "cold_entropy=100.0", "--option", "cold_steps=1"});
  CAPTURE(plain.err);
  CAPTURE(cold.err);
  REQUIRE(plain.code == 0);
  REQUIRE(cold.code == 0);
  CHECK(steps(cold) < steps(plain));  // ends as soon as the entropy is below 100 nats, which it always is
  const Finished unknown = run({"--option", "cold_step=1"});
  CHECK(unknown.code == 2);
  CHECK(holds(unknown.err, "but got 'cold_step', did you mean 'cold_steps'?"));
  CHECK(run({"--option", "cold_steps"}).code == 2);
}

TEST_CASE("run refuses a question that is empty, and one of a task in other words as an evaluation does") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  for (const char* empty : {"", " "}) {
    const Finished done = run_tacit({"run", "--model", scratch / "model", "--question", empty});
    CHECK(done.code == 2);
    CHECK(holds(done.err, "expected a question for '--question' but it is empty"));
  }
  write_examples(scratch / "data.jsonl", {{.id = "mine/0", .question = "", .answer = "3"}});
  const Finished nothing = run_tacit({"run", "--model", scratch / "model", "--data", scratch / "data.jsonl"});
  CHECK(nothing.code == 1);
  CHECK(holds(nothing.err, "expected example 'mine/0' to ask something but its question is empty"));
  const std::vector<std::string> other = {"--model", scratch / "model", "--task", "pointer", "--threads", "1"};
  const auto refusal = [&](std::vector<std::string> command, const std::string& operation) {
    command.insert(command.end(), other.begin(), other.end());
    const Finished done = run_tacit(command);
    CHECK(done.code == 1);
    CAPTURE(done.err);
    REQUIRE(done.err.find(operation) != std::string::npos);
    return done.err.substr(done.err.find(operation) + operation.size());
  };
  const std::string told = refusal({"run"}, "[run] ");
  CHECK(holds(told, "expected example 'pointer-0/0' in words of the checkpoint's tokenizer but got: "));
  CHECK(told == refusal({"eval", "--count", "1", "--out", scratch / "out"}, "[evaluate] "));
}

TEST_CASE("run shows pauses as pauses: a chain that was not written is not held against the graph") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "pause", "pause");
  const Finished done = run_tacit({"run", "--model", scratch / "pause", "--question", question()});
  CHECK(done.code == 0);
  CHECK(holds(done.out, "\n[P] [P] [P]\n"));
  CHECK(holds(done.out, "\npause, 3 pauses, "));
  CHECK(!holds(done.out, "not a node"));
}

TEST_CASE("data generate leaves a file alone that is there, unless it is forced") {
  const ScratchFolder scratch;
  const std::string out = (scratch / "file").string();
  const auto generate = [&](std::vector<std::string> more) {
    std::vector<std::string> args = {"data", "generate", "reach", "--count", "2", "--out", out};
    args.insert(args.end(), more.begin(), more.end());
    return run_tacit(args);
  };
  REQUIRE(generate({}).code == 0);
  const std::string first = read_file(out, "test");
  const Finished again = generate({"--seed", "9"});
  CHECK(again.code == 1);
  CHECK(holds(again.err, "expected no file yet, or --force, at " + out));
  CHECK(read_file(out, "test") == first);
  CHECK(generate({"--seed", "9", "--force"}).code == 0);
  CHECK(read_file(out, "test") != first);
}

TEST_CASE("run judges no text where the task picks among choices by likelihood") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const std::string task = scratch / "pick.json";
  put(scratch / "pick.tsv", "q\ta\tb\tright\n" + question() + "\t8\t9\t8\n");
  for (const std::string scorer : {"choice_likelihood", "choice_likelihood_norm", "first_word"}) {
    CAPTURE(scorer);
    put(task, R"({"name": "pick", "summary": "Pick one", "format": "tsv", "data": "pick.tsv", "prompt": "{question}",
      "fields": {"question": "q", "choices": ["{a}", "{b}"], "answer": "right"}, "scorers": [")" +
                  scorer + "\"]}");
    const std::vector<std::string> command = {"run", "--model", scratch / "model", "--task", task};
    const Finished json = run_tacit(command + std::vector<std::string>{"--json"}), text = run_tacit(command);
    CAPTURE(json.err);
    REQUIRE(json.code == 0);
    REQUIRE(text.code == 0);
    CAPTURE(text.out);
    const bool judged = scorer == "first_word";
    CHECK(Json::parse(json.out).at("correct").is_boolean() == judged);
    CHECK(Json::parse(json.out).at("correct").is_null() == !judged);
    CHECK(Json::parse(json.out).at("expected") == "8");
    CHECK(holds(text.out, "not judged, it is 8") == !judged);
    CHECK((holds(text.out, "  right") || holds(text.out, "wrong")) == judged);
  }
}

TEST_CASE("nothing that run shows reaches the terminal as an escape") {
  const ScratchFolder scratch;
  const std::string escape = "\x1b[2J";
  std::vector<std::string> words = reach_vocabulary(kLabels);
  for (size_t i = 0; i < words.size(); ++i) {
    if (!words[i].starts_with("[")) words[i] = escape + std::to_string(i);
  }
  put(scratch / "own.json", R"({"name": "own", "summary": "Own", "format": "tsv", "data": "own.tsv",
    "fields": {"question": "q", "answer": "a"}, "prompt": "{question}", "scorers": ["first_word"]})");
  put(scratch / "own.tsv", "q\ta\n" + words[3] + " " + words[5] + "\t" + escape + "x\n");
  for (const char* method : {"cot", "coconut"}) {
    CAPTURE(method);
    const std::string model = scratch / method;
    write_checkpoint(model, method);
    put(model + "/tokenizer.json", word_tokenizer_json(words));
    Json config = read_json(model + "/config.json", "test");
    config["tacit"].erase("task");
    config["tacit"].erase("style");
    put(model + "/config.json", config.dump());
    const Finished done =
        run_tacit({"run", "--model", model, "--task", scratch / "own.json", "--decode", "vote:3,temperature=2"});
    CAPTURE(done.err);
    CAPTURE(done.out);
    REQUIRE(done.code == 0);
    CHECK(!holds(done.out, "\x1b"));
    CHECK(holds(done.out, "\\x1B[2J" + std::to_string(3) + " \\x1B[2J"));  // the question
    CHECK(holds(done.out, "it is \\x1B[2Jx"));
    CHECK(holds(done.out, "votes of 3 samples: "));
  }
}
