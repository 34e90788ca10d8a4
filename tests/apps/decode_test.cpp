#include <doctest/doctest.h>

#include "eval/sample.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::vector<std::string> small(std::vector<std::string> command) {
  for (const char* word : {"--task", "reach", "--count", "5", "--seed", "3", "--threads", "1"}) command.push_back(word);
  return command;
}

int64_t flops_of(const std::filesystem::path& run) {
  int64_t sum = 0;
  for (const Sample& sample : read_samples(run / "samples.jsonl", "test")) sum += sample.flops;
  return sum;
}

}  // namespace

TEST_CASE("eval --decode: what a run is, what it costs, and that another strategy or seed is another run") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const auto eval = [&](const std::string& run, std::vector<std::string> decode) {
    std::vector<std::string> command = {
        "eval", "--model", scratch / "model", "--out", scratch / run, "--latency-problems", "0"};
    command.insert(command.end(), decode.begin(), decode.end());
    return run_tacit(small(command));
  };
  REQUIRE(eval("greedy", {}).code == 0);
  CHECK_FALSE(read_json(scratch / "greedy/run.json", "test").contains("decode"));
  const std::vector<std::string> vote = {"--decode", "vote:4,noise=.5", "--sample-seed", "7"};
  const Finished first = eval("vote", vote);
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  const Json record = read_json(scratch / "vote/run.json", "test");
  CHECK(record.at("decode") == "vote:4,noise=0.5");
  CHECK(record.at("sample_seed") == 7);
  const std::string samples = read_file(scratch / "vote/samples.jsonl", "test");
  CHECK(eval("vote", vote).code == 0);
  CHECK(read_file(scratch / "vote/samples.jsonl", "test") == samples);
  for (const Sample& sample : read_samples(scratch / "vote/samples.jsonl", "test")) {
    CHECK(sample.steps == 4 * 3);
    CHECK(sample.method == "coconut, vote:4,noise=0.5");
  }
  const Finished other_seed = eval("vote", {"--decode", "vote:4,noise=.5", "--sample-seed", "8"});
  CHECK(other_seed.code == 1);
  CHECK(holds(other_seed.err, "expected 'sample_seed' of 7, as the run in this folder has, but got 8"));
  const Finished other = eval("vote", {});
  CHECK(other.code == 1);
  CHECK(holds(other.err, "'decode'"));
  // A question is computed once, thoughts and answers four times.
  CHECK(flops_of(scratch / "vote") > flops_of(scratch / "greedy"));
  CHECK(flops_of(scratch / "vote") < 4 * flops_of(scratch / "greedy"));
  for (const char* one : {"vote:1,temperature=0", "best:1,temperature=0", "tree:width=1,branch=1"}) {
    CAPTURE(one);
    REQUIRE(eval(one, {"--decode", one}).code == 0);
    CHECK(flops_of(scratch / one) == flops_of(scratch / "greedy"));
  }
}

TEST_CASE("compare and run decode by a strategy; what is none ends with exit code 2") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks", "coconut", 1);
  write_checkpoint(scratch / "writes", "cot", 2);
  const Finished table = run_tacit(small({"compare", "--model", scratch / "thinks", "--model", scratch / "writes",
                                          "--decode", "vote:3,temperature=.8", "--latency-problems", "1", "--json"}));
  CAPTURE(table.err);
  CHECK(table.code == 0);
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"run",      "--model", scratch / "thinks", "--question",
                                        question(), "--json",  "--threads",        "1"};
    command.insert(command.end(), more.begin(), more.end());
    return run_tacit(command);
  };
  const Finished greedy = run({}), beams = run({"--decode", "beam:3"}),
                 sample = run({"--decode", "sample:temperature=9"});
  REQUIRE(greedy.code == 0);
  REQUIRE(beams.code == 0);
  CHECK(Json::parse(beams.out).at("thoughts") == Json::parse(greedy.out).at("thoughts"));
  CHECK(run({"--decode", "sample:temperature=9"}).code == 0);
  CHECK(Json::parse(run({"--decode", "sample:temperature=9"}).out).at("answer") ==
        Json::parse(sample.out).at("answer"));
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"--decode", "beams:3"}, "did you mean 'beam'?"},
      {{"--decode", "vote:0"}, "'samples'"},
      {{"--sample-seed", "3"}, "--decode"},
      {{"--verbalise", "lense"}, "lens, lens:N, nearest or decoder"}};
  for (const auto& [args, message] : wrong) {
    const Finished refused = run(args);
    CHECK(refused.code == 2);
    CHECK(holds(refused.err, message));
  }
  const Finished unfit =
      run_tacit({"run", "--model", scratch / "writes", "--question", question(), "--decode", "noise:.1"});
  CHECK(unfit.code == 1);
  CHECK(holds(unfit.err, "thinks in vectors"));
}

TEST_CASE("run --decode vote: samples are one answer where an evaluation takes them for one") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  for (const std::string seed : {"1", "2", "3"}) {
    CAPTURE(seed);
    const auto with = [&](std::vector<std::string> command) {
      for (const char* word :
           {"--task", "reach", "--seed", "3", "--threads", "1", "--decode", "vote:40,temperature=9", "--json"})
        command.push_back(word);
      command.insert(command.end(), {"--sample-seed", seed});
      return run_tacit(command);
    };
    const Finished eval = with({"eval", "--model", scratch / "model", "--count", "3", "--latency-problems", "0",
                                "--out", scratch / ("eval-" + seed)});
    CAPTURE(eval.err);
    REQUIRE(eval.code == 0);
    const std::vector<Sample> samples = read_samples(scratch / ("eval-" + seed) / "samples.jsonl", "test");
    for (const size_t index : {0, 2}) {  // what is drawn depends on the problem's number
      CAPTURE(index);
      const Finished run = with({"run", "--model", scratch / "model", "--index", std::to_string(index)});
      CAPTURE(run.err);
      REQUIRE(run.code == 0);
      CHECK(Json::parse(run.out).at("answer") == samples.at(index).answer);
    }
  }
}

TEST_CASE("run: of several samples the votes are shown, and how much all of them thought") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"run",       "--model", scratch / "model", "--question", question(),
                                        "--threads", "1",       "--sample-seed",   "3"};
    command.insert(command.end(), more.begin(), more.end());
    const Finished done = run_tacit(command);
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return done.out;
  };
  const std::vector<std::string> vote = {"--decode", "vote:20,temperature=1,noise=.5"};
  const Json json = Json::parse(run({vote[0], vote[1], "--json"}));
  CHECK(json.at("samples") == 20);
  CHECK(json.at("steps") == 3);
  CHECK(json.at("all_steps") == 20 * 3);
  const Json& votes = json.at("votes");
  REQUIRE(votes.size() > 1);
  CHECK(votes[0].at("answer") == json.at("answer"));
  std::string listed;
  int64_t sum = 0;
  for (size_t i = 0; i < votes.size(); ++i) {
    if (i > 0) CHECK(votes[i].at("votes") <= votes[i - 1].at("votes"));
    sum += votes[i].at("votes").get<int64_t>();
    listed += (i == 0 ? "" : ", ") + votes[i].at("answer").get<std::string>() + " × " + votes[i].at("votes").dump();
  }
  CHECK(sum <= 20);
  const std::string text = run(vote);
  CAPTURE(text);
  CHECK(holds(text, "votes of 20 samples: " + listed));
  CHECK(holds(text, "coconut, 3 thoughts of the first sample that gave the answer, 60 of all 20, "));
  const std::string best = run({"--decode", "best:4"});
  CHECK(holds(best, "3 thoughts of the best sample, 12 of all 4, "));
  CHECK_FALSE(holds(best, "votes"));
  CHECK_FALSE(Json::parse(run({"--decode", "sample", "--json"})).contains("samples"));
}

TEST_CASE("verbalise: texts beside the shares of answers that stay, and run shows them for one question") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const Finished shown = run_tacit({"run", "--model", scratch / "model", "--question", question(), "--verbalise",
                                    "lens:2", "--json", "--threads", "1"});
  CAPTURE(shown.err);
  REQUIRE(shown.code == 0);
  CHECK(Json::parse(shown.out).at("said").size() == 3);
  for (const char* by : {"lens:3", "nearest"}) {
    CAPTURE(by);
    const Finished result =
        run_tacit(small({"verbalise", "--model", scratch / "model", "--by", by, "--json", "--show", "2"}));
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    const Json json = Json::parse(result.out);
    CHECK(json.at("by") == by);
    CHECK(json.at("problems") == 5);
    CHECK(json.at("stays").at("unchanged").at("value") == 1);
    for (const char* control : {"verbalised", "other", "none"}) CHECK(json.at("stays").at(control).contains("low"));
    CHECK(json.at("faithfulness").at("value").get<double>() ==
          doctest::Approx(json.at("stays").at("verbalised").at("value").get<double>() -
                          json.at("stays").at("other").at("value").get<double>()));
    CHECK(json.at("examples").size() == 2);
    CHECK(json.at("examples")[0].at("said").size() == 3);
  }
  const Finished none = run_tacit(small({"verbalise", "--model", scratch / "model", "--by", "decoder"}));
  CHECK(none.code == 1);
  CHECK(holds(none.err, "method sim-cot"));
}
