#include <doctest/doctest.h>

#include <algorithm>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

using Words = std::vector<std::string>;

const Words kSmallComparison = {"--count", "6",         "--seed", "3",           "--latency-problems",
                                "1",       "--threads", "1",      "--max-nodes", "18"};

std::vector<std::string> names_of(const Json& rows) {
  std::vector<std::string> out;
  for (const Json& row : rows) out.push_back(row.at("name"));
  return out;
}

}  // namespace

TEST_CASE("compare --seeds: rows pool seeds, with controls; a sweep of thoughts; the folders read back") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks");
  write_checkpoint(scratch / "answers", "direct", 2);
  const Words command = Words{"compare", "--model", scratch / "thinks", "--model", scratch / "answers",
                              "--seeds", "2",       "--sweep-latents",  "0,3,1",   "--baseline",
                              "answers", "--json"} +
                        kSmallComparison;
  const Finished done = run_tacit(command + Words{"--out", scratch / "report"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json json = Json::parse(done.out);
  const Json& rows = json.at("rows");
  CHECK(names_of(rows) == Words{"thinks", "thinks +truncate:0", "thinks +swap", "thinks +noise", "answers"});
  CHECK(json.at("examples") == 12);
  CHECK(json.at("provenance").at("seed") == Json::array({3, 4}));
  for (const Json& row : rows) {
    CHECK(row.at("examples") == 12);
    REQUIRE(row.at("seeds").size() == 2);
    CHECK(row.at("seeds")[0].at("seed") == 3);
    CHECK(row.at("seeds")[1].at("seed") == 4);
    CHECK(row.at("mean_flops") > 0);
    CHECK(row.at("mean_memory_bytes") > 0);
  }
  CHECK(rows[2].at("clean").at("against") == "thinks");
  CHECK(json.at("heuristics").size() > 3);  // the label-blind rules
  const Json& sweep = rows[0].at("by_latents");
  REQUIRE(sweep.size() == 3);
  CHECK(sweep[0].at("latents") == 0);
  CHECK(sweep[2].at("latents") == 3);  // the row itself
  CHECK(sweep[2].at("accuracy") == rows[0].at("accuracy"));
  CHECK(sweep[0].at("accuracy") == rows[1].at("accuracy"));  // no thoughts, by another way
  CHECK(sweep[0].at("mean_flops") < sweep[2].at("mean_flops"));
  CHECK_FALSE(rows[1].contains("by_latents"));
  for (const char* run : {"thinks/seed-3", "thinks/seed-4", "thinks+swap/seed-4", "thinks+latents-1/seed-3"})
    CHECK(exists(scratch / "report/runs" / run / "metrics.json"));

  // The same command again: nothing is solved, the report is the same.
  const Finished again = run_tacit(command + Words{"--out", scratch / "report"});
  CHECK(Json::parse(again.out) == json);
  const Finished read = run_tacit({"compare", "--runs", scratch / "report/runs/thinks", "--runs",
                                   "gone=" + (scratch / "report/runs/thinks+truncate-0/seed-3").string() + "," +
                                       (scratch / "report/runs/thinks+truncate-0/seed-4").string(),
                                   "--baseline", "gone", "--json"});
  CAPTURE(read.err);
  REQUIRE(read.code == 0);
  const Json back = Json::parse(read.out).at("rows");
  CHECK(names_of(back) == Words{"thinks", "gone"});
  CHECK(back[0].at("accuracy_ci") == rows[0].at("accuracy_ci"));
  CHECK(back[1].at("clean").at("p_value") == rows[1].at("clean").at("p_value"));
  // A run with other thoughts than its own number is no clean row of one that has its own.
  const Finished other = run_tacit({"compare", "--runs", "short=" + (scratch / "report/runs/thinks+latents-1").string(),
                                    "--runs", scratch / "report/runs/thinks+swap", "--baseline", "short", "--json"});
  CAPTURE(other.err);
  REQUIRE(other.code == 0);
  CHECK_FALSE(Json::parse(other.out).at("rows")[1].contains("clean"));

  const Finished bare = run_tacit(command + Words{"--no-controls"});
  CAPTURE(bare.err);
  CHECK(names_of(Json::parse(bare.out).at("rows")) == Words{"thinks", "answers"});
  CHECK(holds(bare.out, "controls were left out"));
}

TEST_CASE("compare --model NAME=DIR,DIR: one row of several training seeds, on the same problems") {
  const ScratchFolder scratch;
  const Words folders = {scratch / "a", scratch / "b", scratch / "c"};
  for (size_t i = 0; i < 3; ++i) {
    write_checkpoint(folders[i], "coconut", 1 + i);
    put(folders[i] + "/train.json", "{\"seed\": " + std::to_string(70 + i) + "}");
  }
  write_checkpoint(scratch / "direct", "direct", 9);
  const Finished done =
      run_tacit(Words{"compare", "--model", "ours=" + folders[0] + "," + folders[1] + "," + folders[2], "--model",
                      scratch / "direct", "--baseline", "direct", "--json", "--out", scratch / "report"} +
                kSmallComparison);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json json = Json::parse(done.out);
  CHECK(json.at("examples") == 6);
  CHECK(json.at("samples") == 18);
  const Json& row = json.at("rows")[0];
  CHECK(row.at("name") == "ours");
  CHECK(row.at("examples") == 18);
  CHECK(json.at("rows")[1].at("examples") == 6);
  REQUIRE(row.at("seeds").size() == 3);
  CHECK(row.at("seeds")[2].at("seed") == 72);
  CHECK(row.at("seeds")[2].at("model") == "c");
  CHECK(row.at("p_holm") == row.at("p_value"));
  CHECK(exists(scratch / "report/runs/ours/model-3/metrics.json"));
}

TEST_CASE("compare: a row of two checkpoints beside a single one, seed by seed; rows that do not pair are not run") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "a/final");
  write_checkpoint(scratch / "b/final", "coconut", 2);
  write_checkpoint(scratch / "c", "coconut", 3);
  write_checkpoint(scratch / "direct", "direct", 4);
  const std::string a = scratch / "a/final", b = scratch / "b/final", c = scratch / "c";
  const Words command =
      Words{"compare", "--model", "two=" + a + "," + b, "--model", scratch / "direct", "--json"} + kSmallComparison;
  const Finished done = run_tacit(command + Words{"--seeds", "2", "--no-controls", "--baseline", "direct"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json json = Json::parse(done.out), rows = json.at("rows");
  CHECK(json.at("examples") == 12);
  CHECK(json.at("samples") == 24);
  CHECK(rows[1].at("examples") == 12);
  std::vector<std::pair<int64_t, std::string>> seeds;
  for (const Json& seed : rows[0].at("seeds")) seeds.emplace_back(seed.at("seed"), seed.value("model", ""));
  CHECK(seeds == std::vector<std::pair<int64_t, std::string>>{{3, "#1"}, {4, "#1"}, {3, "#2"}, {4, "#2"}});

  // A method that draws does so by another seed in each run; it is one method.
  const Finished drawn = run_tacit(Words{"compare", "--model", c, "--method", "soft-thinking", "--seeds", "2",
                                         "--no-controls", "--option", "noise=dirichlet", "--json"} +
                                   kSmallComparison);
  CAPTURE(drawn.err);
  REQUIRE(drawn.code == 0);
  CHECK(Json::parse(drawn.out).at("rows")[0].at("seeds").size() == 2);

  // The folders of seeds 9 and 10 read back as they were.
  const Words nine = {"--count", "3", "--seed", "9", "--latency-problems", "0", "--threads", "1", "--max-nodes", "18"};
  const Finished kept =
      run_tacit(Words{"compare", "--model", "two=" + a + "," + b, "--model", scratch / "direct", "--seeds", "2",
                      "--no-controls", "--baseline", "direct", "--json", "--out", scratch / "nine"} +
                nine);
  CAPTURE(kept.err);
  REQUIRE(kept.code == 0);
  const Finished back = run_tacit({"compare", "--runs", scratch / "nine/runs/two", "--runs",
                                   scratch / "nine/runs/direct", "--baseline", "direct", "--json"});
  CAPTURE(back.err);
  REQUIRE(back.code == 0);
  CHECK(Json::parse(back.out).at("rows")[0].at("p_value") == Json::parse(kept.out).at("rows")[0].at("p_value"));
  CHECK(holds(back.out, "of 4 runs these rows have fewer, each of which stands for several"));

  const Finished odd = run_tacit(Words{"compare", "--model", "two=" + a + "," + b, "--model",
                                       "three=" + a + "," + b + "," + c, "--out", scratch / "report"} +
                                 kSmallComparison);
  CHECK(odd.code == 1);
  CHECK(holds(odd.err, "divides 3, as many as another row has, in row 'two' but got 2"));
  Json config = read_json(b + "/config.json", "test");
  config["tacit"]["latents"] = 1;
  put(b + "/config.json", config.dump());
  const Finished mixed = run_tacit(command + Words{"--sweep-latents", "0,1,3"});
  CHECK(mixed.code == 2);
  CHECK(holds(mixed.err, "models of as many thoughts in row 'two', or '--latents', but got 3 and 1"));
  const Finished told = run_tacit(command + Words{"--latents", "3"});
  CAPTURE(told.err);
  REQUIRE(told.code == 0);
  CHECK(Json::parse(told.out).at("rows")[0].at("examples") == 12);
}

TEST_CASE("compare: --option and --halt reach the models that have them, and stand in the table") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks");
  write_checkpoint(scratch / "soft", "soft-thinking", 2);
  write_checkpoint(scratch / "answers", "direct", 3);
  const Words all = {"compare",        "--model", scratch / "thinks", "--model",
                     scratch / "soft", "--model", scratch / "answers"};
  const Finished done =
      run_tacit(all + Words{"--option", "temperature=0.25", "--halt", "flops:0", "--json"} + kSmallComparison);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json rows = Json::parse(done.out).at("rows");
  CHECK(rows[0].at("method") == "coconut, flops:0");
  CHECK(rows[1].at("method") == "soft-thinking, temperature 0.25");
  CHECK(rows[2].at("method") == "direct");
  const Finished latents = run_tacit(all + Words{"--latents", "1", "--json"} + kSmallComparison);
  REQUIRE(latents.code == 0);
  CHECK(Json::parse(latents.out).at("rows")[0].at("method") == "coconut, 1 thought");
}

TEST_CASE("compare --runs: rows of unlike seeds are compared on those that all have, and the others are named") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "a");
  write_checkpoint(scratch / "b", "direct", 2);
  const auto runs = [&](const std::string& model, const std::string& seed, const std::string& seeds) {
    const Finished done = run_tacit({"compare", "--model", scratch / model, "--seeds", seeds, "--seed", seed,
                                     "--no-controls", "--count", "6", "--max-nodes", "18", "--latency-problems", "0",
                                     "--threads", "1", "--out", scratch / ("of-" + model)});
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return (scratch / ("of-" + model) / "runs" / model).string();
  };
  const std::string a = runs("a", "3", "3"), b = runs("b", "4", "3");  // 3, 4, 5 and 4, 5, 6
  const auto compare = [](const std::string& first, const std::string& second, const Words& more) {
    return run_tacit(Words{"compare", "--runs", first, "--runs", second, "--baseline", "b"} + more);
  };
  const Finished done = compare(a, "b=" + b, {"--json"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json json = Json::parse(done.out);
  CHECK(json.at("examples") == 12);
  CHECK(json.at("provenance").at("seed") == Json::array({4, 5}));
  const std::string note = "compared on the runs of seed 4, 5, which all rows have; left out: a 3; b 6";
  CHECK(std::ranges::count(json.at("notes"), Json(note)) == 1);
  const Json by_hand = Json::parse(
      compare("a=" + a + "/seed-4," + a + "/seed-5", "b=" + b + "/seed-4," + b + "/seed-5", {"--json"}).out);
  CHECK(by_hand.at("rows") == json.at("rows"));
  CHECK_FALSE(holds(by_hand.at("notes").dump(), "left out"));
  CHECK(holds(compare(a, b, {"--markdown"}).out, note));
  const Finished one = compare(a, "b=" + b + "/seed-4", {"--json"});  // more runs than one row's number divides
  REQUIRE(one.code == 0);
  CHECK(Json::parse(one.out).at("examples") == 6);

  const Finished none = compare("a=" + a + "/seed-3", "b=" + b, {});
  CHECK(none.code == 1);
  CHECK(holds(none.err, "expected runs on the same problems but got 'seed' of 3 (a) and 4, 5, 6 (b)"));
}

TEST_CASE("compare --interventions: what a model takes too few thoughts for is left out, and said") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "three");
  write_checkpoint(scratch / "one", "coconut", 2);
  Json config = read_json(scratch / "one/config.json", "test");
  config["tacit"]["latents"] = 1;
  put(scratch / "one/config.json", config.dump());
  const Words command =
      Words{"compare", "--model", scratch / "three", "--model", scratch / "one", "--out", scratch / "report"} +
      kSmallComparison;
  const Finished done = run_tacit(command + Words{"--interventions", "zero,truncate:1", "--json"});
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const Json json = Json::parse(done.out);
  CHECK(names_of(json.at("rows")) == Words{"three", "three +zero", "three +truncate:1", "one", "one +zero"});
  const std::string note =
      "the row one +truncate:1 was left out: one takes 1 thought at most, of which that changes nothing";
  CHECK(std::ranges::count(json.at("notes"), Json(note)) == 1);
  CHECK(holds(read_file(scratch / "report/compare.md", "test"), note));
  const Finished none = run_tacit(command + Words{"--interventions", "truncate:3"});
  CHECK(none.code == 2);
  CHECK(holds(none.err,
              "expected a model that takes at least 4 thoughts, which it changes, beside 'truncate:3' but "
              "these take 3 at most"));
}

TEST_CASE("compare: what the new options refuse") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  write_checkpoint(scratch / "direct", "direct");
  put(scratch / "notes.txt", "mine");
  const std::string model = scratch / "model", direct = scratch / "direct";
  struct Case {
    Words args;
    std::string message;
    int code = 2;
  };
  const std::vector<Case> cases = {
      {{"--model", model, "--no-controls"}, "'--no-controls' only with --seeds"},
      {{"--model", model, "--seeds", "0"}, "at least 1"},
      {{"--model", model, "--sweep-latents", "1,1"}, "expected different numbers of thoughts"},
      {{"--model", model, "--sweep-latents", "x"}, "sweep-latents"},
      {{"--model", direct, "--sweep-latents", "1"}, "beside --sweep-latents but none"},
      {{"--model", direct, "--halt", "fixed"}, "no words beside '--halt' but none"},
      {{"--model", model, "--option", "colour=1"}, "one of the methods for '--option' but got 'colour'"},
      {{"--model", "two=" + model + ",,"}, "expected DIR or NAME=DIR,DIR"},
      {{"--model", "two=" + model + "," + direct}, "one method in row 'two' but got 'coconut' and 'direct'", 1},
      {{"--runs", model, "--seeds", "3"}, "no '--seeds' beside '--runs'"},
      {{"--model", model, "--out", scratch.path()}, "expected a new folder, or one of a comparison, but got", 1},
      {{"--model", model, "--out", scratch / "notes.txt"}, "but got the file", 1},
  };
  for (const Case& c : cases) {
    const Finished result = run_tacit(Words{"compare"} + c.args + (c.args[0] == "--runs" ? Words{} : kSmallComparison));
    CAPTURE(c.message);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.message));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  }
  CHECK(read_file(scratch / "notes.txt", "test") == "mine");
}
