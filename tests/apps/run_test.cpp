#include <doctest/doctest.h>

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
  CHECK(unknown.code == 1);
  CHECK(holds(unknown.err, "cold_step"));
  CHECK(run({"--option", "cold_steps"}).code == 2);
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
