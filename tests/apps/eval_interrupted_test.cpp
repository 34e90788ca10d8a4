#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "lib/core/rng.h"
#include "tests/apps/checkpoint.h"
#include "tests/support/run_files.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::string embedded_model(const char* name) { return std::string(TACIT_SOURCE_DIR) + "/models/" + name; }

// Waves of eight problems, so that kills fall between waves as well as within them.
std::vector<std::string> evaluation(const std::filesystem::path& out, const char* count = "80") {
  return {TACIT_BINARY,
          "eval",
          "--model",
          embedded_model("frontier"),
          "--task",
          "reach",
          "--count",
          count,
          "--seed",
          "9",
          "--batch",
          "2",
          "--threads",
          "1",
          "--latency-problems",
          "2",
          "--out",
          out};
}

// Timings aside, and the command, which names the folder.
std::vector<std::string> content(const std::filesystem::path& folder) {
  std::vector<std::string> out = folder_content(folder);
  OrderedJson run = OrderedJson::parse(out[0]);
  run.erase("command");
  out[0] = run.dump();
  return out;
}

std::vector<std::string> shell(const std::string& before, const std::vector<std::string>& command) {
  std::vector<std::string> out = {"sh", "-c", before + "; exec \"$0\" \"$@\""};
  out.insert(out.end(), command.begin(), command.end());
  return out;
}

int64_t lines(const std::filesystem::path& file) {
  const std::string text = read_file(file, "test");
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace

TEST_CASE("killed with -9 twenty times at random moments, a run ends with the files of an undisturbed one") {
  const ScratchFolder scratch;
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(run_program(evaluation(scratch / "whole")).code == 0);
  const auto whole = std::chrono::steady_clock::now() - begin;
  const auto expected = content(scratch / "whole");
  Rng rng(static_cast<uint64_t>(begin.time_since_epoch().count()));
  int kills = 0, unfinished = 0;
  for (int folder = 0; kills < 20 && folder < 40; ++folder) {
    const auto out = scratch / ("killed_" + std::to_string(folder));
    while (kills < 20) {
      RunningProgram program(evaluation(out));
      std::this_thread::sleep_for(whole * rng.uniform() * 0.7);
      if (program.ended()) break;  // it was faster
      program.send(SIGKILL);
      kills += program.wait().code == 128 + SIGKILL;
      unfinished += exists(out / "samples.jsonl") && !exists(out / "metrics.json");
    }
    REQUIRE(run_program(evaluation(out)).code == 0);
    CHECK(content(out) == expected);
  }
  CHECK(kills == 20);
  CHECK(unfinished > 0);  // some fell into the work
}

TEST_CASE("a disk that is full: one clear message, finished samples stay, the same command goes on") {
  const ScratchFolder scratch;
  REQUIRE(run_program(evaluation(scratch / "whole", "24")).code == 0);
  const auto out = scratch / "full";
  // 16 blocks of 512 bytes hold run.json and a few samples.
  const Finished full = run_program(shell("trap '' XFSZ; ulimit -f 16", evaluation(out, "24")));
  CAPTURE(full.err);
  CHECK(full.code == 1);
  CHECK(holds(full.err, "samples.jsonl"));
  CHECK(std::count(full.err.begin(), full.err.end(), '\n') == 1);
  CHECK(full.out.empty());
  const int64_t kept = lines(out / "samples.jsonl");
  CHECK(kept > 0);
  CHECK(kept < 24);
  REQUIRE(run_program(evaluation(out, "24")).code == 0);
  CHECK(content(out) == content(scratch / "whole"));
}

TEST_CASE("a folder that cannot be written, a file in its place: one clear message") {
  const ScratchFolder scratch;
  put(scratch / "file", "x");
  for (const std::string& out :
       {(scratch / "file").string(), (scratch / "file/run").string(), std::string("/proc/run")}) {
    const Finished done = run_program(evaluation(out, "4"));
    CAPTURE(done.err);
    CHECK(done.code == 1);
    CHECK(holds(done.err, "[evaluate] expected a folder for the run but got"));
    CHECK(holds(done.err, out));
    CHECK(std::count(done.err.begin(), done.err.end(), '\n') == 1);
  }
  CHECK(read_file(scratch / "file", "test") == "x");
}

TEST_CASE("a broken line in the data or among the samples: file and line, nothing is lost") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const std::string data = scratch / "data.jsonl", out = scratch / "run";
  REQUIRE(run_tacit({"data", "generate", "reach", "--count", "6", "--labels", "28", "--out", data}).code == 0);
  const std::vector<std::string> eval = {
      "eval", "--model", scratch / "model", "--data", data, "--out", out, "--latency-problems", "0", "--threads", "1"};
  REQUIRE(run_tacit(eval).code == 0);
  const std::string good = read_file(data, "test"), samples = read_file(out + "/samples.jsonl", "test");
  put(data, good.substr(0, good.find('\n') + 1) + "{\"id\": \n" + good);
  const Finished broken = run_tacit(eval);
  CHECK(broken.code == 1);
  CHECK(holds(broken.err, "data.jsonl, line 2"));
  CHECK(read_file(out + "/samples.jsonl", "test") == samples);
  put(data, good);
  put(out + "/samples.jsonl", samples.substr(0, samples.find('\n') + 1) + "{\"id\": \n" + samples);
  const Finished torn = run_tacit(eval);
  CHECK(torn.code == 1);
  CHECK(holds(torn.err, "samples.jsonl, line 2"));
  CHECK(std::count(torn.err.begin(), torn.err.end(), '\n') == 1);
}

TEST_CASE("RANK and WORLD_SIZE: processes at the same time leave what one leaves") {
  const ScratchFolder scratch;
  REQUIRE(run_program(evaluation(scratch / "alone", "40")).code == 0);
  const auto ranked = [&](int rank, const std::string& out) {
    return shell("export RANK=" + std::to_string(rank) + " WORLD_SIZE=3", evaluation(out, "40"));
  };
  const std::string out = scratch / "shared";
  {
    RunningProgram a(ranked(0, out)), b(ranked(1, out)), c(ranked(2, out));
    for (RunningProgram* program : {&a, &b, &c}) CHECK(program->wait().code == 0);
  }
  CHECK(exists(scratch / "shared/metrics.json"));  // whoever was last
  CHECK(content(out) == content(scratch / "alone"));
  const Finished part = run_program(ranked(1, scratch / "part"));
  CHECK(part.code == 0);
  CHECK(part.out.empty());
  CHECK(holds(part.err, "has solved its share"));
  REQUIRE(run_program(evaluation(scratch / "part", "40")).code == 0);
  CHECK(content(scratch / "part") == content(scratch / "alone"));
  const Finished nowhere =
      run_program(shell("export RANK=0 WORLD_SIZE=2", {TACIT_BINARY, "eval", "--model", embedded_model("frontier")}));
  CHECK(nowhere.code == 2);
  CHECK(holds(nowhere.err, "expected '--out', the folder that 2 processes (WORLD_SIZE) share"));
}
