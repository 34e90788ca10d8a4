#include <doctest/doctest.h>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

TEST_CASE("rescore: --dry says what would change, then it is changed, and the run is still the same run") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  std::vector<std::string> eval = {"eval",   "--model", scratch / "model",    "--count", "6",
                                   "--seed", "3",       "--latency-problems", "0",       "--threads",
                                   "1",      "--out",   scratch / "run",      "--json"};
  REQUIRE(run_tacit(eval).code == 0);
  const std::string samples = read_file(scratch / "run/samples.jsonl", "test");
  const Finished dry = run_tacit({"rescore", scratch / "run", "--scorer", "boolean", "--dry", "--json"});
  CAPTURE(dry.err);
  REQUIRE(dry.code == 0);
  const Json json = Json::parse(dry.out);
  CHECK(json.at("written") == false);
  CHECK(json.at("metrics").at("not_extracted") == 6);
  CHECK(json.at("changes").size() > 0);
  CHECK(read_file(scratch / "run/samples.jsonl", "test") == samples);
  const Finished shown = run_tacit({"rescore", scratch / "run", "--scorer", "boolean", "--dry"});
  CHECK(shown.code == 0);
  CHECK(holds(shown.out, " of 6 samples would change"));
  const Finished done = run_tacit({"rescore", scratch / "run", "--scorer", "boolean"});
  CHECK(done.code == 0);
  CHECK(holds(done.out, " of 6 samples changed"));
  CHECK(Json::parse(read_file(scratch / "run/metrics.json", "test")).at("not_extracted") == 6);
  eval.pop_back();  // --json
  CHECK(holds(run_tacit(eval).out, "model scored again by boolean"));
  CHECK(holds(run_tacit(eval).err, "was finished before; these are its results, scored again by boolean"));
  CHECK(run_tacit({"rescore", scratch / "run"}).code == 0);
  CHECK(read_file(scratch / "run/samples.jsonl", "test") == samples);
  CHECK(run_tacit(eval).code == 0);
}

TEST_CASE("rescore --import makes a run of lm-evaluation-harness's samples") {
  const ScratchFolder scratch;
  const std::string file = std::string(TACIT_SOURCE_DIR) + "/tests/eval/fixtures/lm_eval_samples_own_choices.jsonl";
  const Finished result = run_tacit({"rescore", scratch / "run", "--import", file});
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  CHECK(holds(result.out, "choice_likelihood_norm: correct"));
  CHECK(holds(result.out, "harness:acc: correct"));
  CHECK(run_tacit({"rescore", scratch / "run", "--dry"}).code == 0);
}

TEST_CASE("rescore: wrong usage and what is not there") {
  const ScratchFolder scratch;
  struct Case {
    std::vector<std::string> args;
    int code;
    const char* part;
  };
  for (const Case& c : {Case{{"rescore"}, 2, "expected RUN"},
                        {{"rescore", scratch / "no"}, 1, "expected a run folder"},
                        {{"rescore", scratch / "no", "--scorer", "numerc"}, 2, "did you mean 'numeric'?"},
                        {{"rescore", scratch / "no", "--task", "rech"}, 2, "did you mean 'reach'?"},
                        {{"rescore", scratch / "no", "--import", "x", "--dry"}, 2, "'--dry'"},
                        {{"rescore", scratch / "new", "--import", scratch / "no.jsonl"}, 1, "no.jsonl"}}) {
    const Finished result = run_tacit(c.args);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.part));
  }
  CHECK_FALSE(std::filesystem::exists(scratch / "new"));
}
