#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "lib/core/json.h"
#include "tests/apps/model_folder.h"
#include "tests/apps/repl_support.h"
#include "tests/lib/core_support.h"
#include "tests/support/run_binary.h"

using namespace tacit;
using namespace tacit::test;

namespace {

Finished demo(std::vector<std::string> more) {
  std::vector<std::string> args = {"demo", "--models", models().string()};
  args.insert(args.end(), more.begin(), more.end());
  return run_tacit(args);
}

}  // namespace

TEST_CASE("the demo draws one question and measures all six models on fresh problems") {
  const Finished done = demo({"--count", "12", "--seed", "9"});
  CHECK(done.code == 0);
  CHECK(!holds(done.out, "\x1b"));
  std::string text = done.out;  // words may be wrapped anywhere
  std::replace(text.begin(), text.end(), '\n', ' ');
  for (const std::string part :
       {"of 12 fresh problems", "Seed 9", "Which can be reached from", "words · cot", "thoughts · frontier", "coconut",
        "cot-frontier", "pause", "direct", "generator seed 9", "--count 12 --seed 9 repeats it"}) {
    CAPTURE(part);
    CHECK(holds(text, part));
  }
}

TEST_CASE("the demo's problem is chosen as it says") {
  const Finished done = demo({"--count", "30", "--seed", "4", "--json"});
  REQUIRE(done.code == 0);
  const Json report = parse_json(done.out, "test", "the demo's report");
  CHECK(report["seed"] == 4);
  CHECK(report["count"] == 30);
  const Json& problem = report["problem"];
  const Json& table = report["table"];
  CHECK(table["examples"] == 30);
  CHECK(table["baseline"] == "cot");
  REQUIRE(table["rows"].size() == 6);
  for (const Json& row : table["rows"]) {
    CHECK(row["accuracy"] >= 0);
    CHECK(row["accuracy"] <= 1);
    if (row["name"] == "frontier") {
      CHECK(row["only_this"] == report["only_thoughts_right"]);
      CHECK(row["only_baseline"] == report["only_words_right"]);
    }
  }
  if (report["only_thoughts_right"] > 0) {
    CHECK(problem["words"]["answer"] != problem["answer"]);
    CHECK(problem["thoughts"]["answer"] == problem["answer"]);
  } else {
    CHECK(problem["index"] == 0);
  }
  CHECK(problem["thoughts"]["readouts"].size() == 6);
  for (const Json& thought : problem["thoughts"]["readouts"]) {
    double sum = 0;
    for (const Json& share : thought) sum += share["probability"].get<double>();
    CHECK(std::abs(sum - 1) < 1e-3);  // 40 words, all of them listed
  }
}

TEST_CASE("the same seed gives the same answers") {
  const auto answers = [](const Finished& done) {
    Json report = parse_json(done.out, "test", "the demo's report");
    std::string text =
        report["problem"]["chosen"].get<std::string>() + report["problem"]["question"].get<std::string>();
    for (const Json& row : report["table"]["rows"]) text += row["accuracy"].dump() + " ";
    return text;
  };
  const std::vector<std::string> args = {"--count", "10", "--json"};
  CHECK(answers(demo(args)) == answers(demo(args)));
}

TEST_CASE("a demo that cannot run says why in one line") {
  const ScratchFolder empty;
  Finished done = run_tacit({"demo", "--models", empty.path().string()});
  CHECK(done.code == 1);
  CHECK(holds(done.err, "expected the model 'frontier' in " + empty.path().string()));
  CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
  CHECK(done.out == "");

  write_tiny_models(empty.path());
  std::filesystem::remove(empty.path() / "pause" / "model.safetensors");
  done = run_tacit({"demo", "--models", empty.path().string()});
  CHECK(done.code == 1);
  CHECK(holds(done.err, "pause"));
  CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);

  CHECK(demo({"--count", "0"}).code == 2);
  CHECK(demo({"--cuont", "3"}).code == 2);
}
