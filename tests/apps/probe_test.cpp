#include <doctest/doctest.h>

#include <fstream>

#include "apps/probe_picture.h"
#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::vector<std::string> small(const std::string& name, const std::string& model) {
  return {"probe",       name, "--model",     model, "--count",     "40", "--kind",      "random",
          "--min-nodes", "6",  "--max-nodes", "8",   "--min-depth", "1",  "--max-depth", "2"};
}

std::string embedded(const std::string& name) {
  return (std::filesystem::path(TACIT_SOURCE_DIR) / "models" / name).string();
}

Json run_json(std::vector<std::string> command) {
  command.emplace_back("--json");
  const Finished result = run_tacit(command);
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  return Json::parse(result.out);
}

const Json& thinker(const Json& json, const std::string& name) {
  for (const Json& one : json.at("thinkers"))
    if (one.at("name") == name) return one;
  fail("test", "expected a thinker called ", name);
}

int64_t widest(const std::string& text) {
  std::istringstream in(text);
  std::string line;
  int64_t out = 0;
  while (std::getline(in, line)) out = std::max(out, display_width(line));
  return out;
}

}  // namespace

TEST_CASE("probe: every probe of problems writes JSON and SVG, and a picture that fits the width") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  for (const std::string name : {"lens", "frontier", "separability", "counterfactual", "noise", "dimension", "goal"}) {
    CAPTURE(name);
    std::vector<std::string> command = small(name, scratch / "model");
    command.insert(command.end(), {"--out", scratch / name});
    const Finished result = run_tacit(command);
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    CHECK(result.out.find("\x1b") == std::string::npos);  // no terminal, no colours
    CHECK(widest(result.out) <= 100);
    const Json json = read_json(std::filesystem::path(scratch / name) / (name + ".json"), "test");
    CHECK(json.at("probe") == name);
    CHECK(json.at("command")[2] == name);
    int64_t pictures = 0;
    for (const auto& entry : std::filesystem::directory_iterator(scratch / name)) {
      if (entry.path().extension() != ".svg") continue;
      ++pictures;
      CHECK(read_file(entry.path(), "test").starts_with("<svg "));
    }
    CHECK(pictures >= 1);
  }
}

TEST_CASE(
    "probe: where labels are fewer than the default graphs' nodes, graphs are those of the checkpoint's training") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  write_checkpoint(scratch / "other", "cot", 2);
  for (const char* name : {"model", "other"}) {
    Json config = read_json(std::filesystem::path(scratch / name) / "config.json", "test");
    config["tacit"]["labels"] = 16;
    write_file_atomic(std::filesystem::path(scratch / name) / "config.json", config.dump(), "test");
  }
  const std::vector<std::string> command = {"probe", "dimension", "--model", scratch / "model", "--count", "40"};
  const Finished without = run_tacit(command);
  CHECK(without.code == 1);
  CHECK(without.err.find("expected graphs of at most 16 nodes") != std::string::npos);
  CHECK(without.err.find("'--max-nodes'") != std::string::npos);

  const auto steps = [](const Json& json) { return thinker(json, "thoughts").at("steps"); };
  const std::vector<std::string> sizes = {"--min-nodes", "6", "--max-nodes", "8",
                                          "--min-depth", "1", "--max-depth", "2"};
  std::vector<std::string> given = command;
  given.insert(given.end(), sizes.begin(), sizes.end());
  const Json asked = run_json(given);
  write_file_atomic(std::filesystem::path(scratch / "model") / "train.json",
                    R"({"method": "coconut", "task": "reach",
                        "reach": {"min_nodes": 6, "max_nodes": 8, "min_depth": 1, "max_depth": 2, "labels": 16}})",
                    "test");
  for (const char* other : {"eval", "run", "compare"}) {
    std::vector<std::string> asks = {other, "--model", scratch / "model", "--threads", "1"};
    if (std::string(other) != "run") asks.insert(asks.end(), {"--count", "2", "--latency-problems", "0"});
    const Finished done = run_tacit(asks);
    CAPTURE(done.err);
    CHECK(done.code == 0);
    CHECK(holds(done.out + done.err, "graphs as the checkpoint was trained on (train.json)"));
  }
  const Json own = run_json(command);
  CHECK(steps(own) == steps(asked));  // the same problems, so the same numbers
  CHECK(own.at("notes").dump().find("6 to 8 nodes") != std::string::npos);
  CHECK(asked.at("notes").dump().find("train.json") == std::string::npos);
  std::vector<std::string> beside = command;
  beside.insert(beside.end(), {"--against", scratch / "other"});
  const Json both = run_json(beside);  // which is asked the same graphs
  CHECK(steps(both) == steps(own));
  CHECK(thinker(both, "other").at("accuracy").contains("mean"));
}

TEST_CASE("probe frontier: the embedded model's thoughts hold the frontier, a model of random weights holds none") {
  const Json json = run_json({"probe", "frontier", "--model", embedded("frontier"), "--count", "20", "--seed", "3"});
  for (const Json& step : thinker(json, "thoughts").at("explored").at("by_thought"))
    CHECK(step.at("auc").at("mean").get<double>() > .9);
  for (const Json& step : thinker(json, "random weights").at("explored").at("by_thought"))
    CHECK(step.at("auc").at("mean").get<double>() < .7);
  CHECK(json.at("notes").dump().find("logit lens") != std::string::npos);
}

TEST_CASE("probe compression: items come from a file, and without one it says so") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  std::ofstream(scratch / "items.csv")
      << "item,category,typicality\n1,2,5\n3,2,4\n5,2,3\n7,2,1\n9,4,5\n11,4,3\n13,4,2\n15,4,1\nx,4,1\n";
  const Json json = run_json({"probe", "compression", "--model", scratch / "model", "--items", scratch / "items.csv"});
  CHECK(json.at("items") == 8);
  CHECK(json.at("missing") == Json({"x"}));
  CHECK(json.at("embeddings").size() == 2);
  const Finished without = run_tacit({"probe", "compression", "--model", scratch / "model"});
  CHECK(without.code == 2);
  CHECK(without.err.find("--items") != std::string::npos);
}

TEST_CASE("probe: wrong usage is refused before a model is loaded") {
  const auto refused = [](std::vector<std::string> command, const char* what) {
    command.insert(command.begin(), "probe");
    command.insert(command.end(), {"--model", "/nowhere"});
    const Finished result = run_tacit(command);
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.err.find(what) != std::string::npos);
  };
  refused({"frontir"}, "did you mean 'frontier'");
  refused({"lens", "--ridge", "1"}, "--ridge");
  refused({"goal", "--sizes", "1"}, "--sizes");
  refused({"lens", "--task", "nothing"}, "nothing");
  refused({"goal", "--test-share", "1"}, "'--test-share' below 1");
  refused({"noise", "--sizes", "1,a"}, "'--sizes'");
  for (const std::string option : {"--task", "--seed", "--count", "--labels", "--min-nodes", "--latents"})
    refused({"compression", "--items", "x.csv", option, option == "--task" ? "reach" : "3"}, option.c_str());
  refused({"compression", "--items", "x.csv", "--weights", "int8"}, "--weights");
}

TEST_CASE("probe: a folder that cannot be written is refused before a model is loaded") {
  const ScratchFolder scratch;
  write_file_atomic(std::filesystem::path(scratch / "file"), "x", "test");
  const Finished result = run_tacit({"probe", "lens", "--model", "/nowhere", "--out", scratch / "file"});
  CHECK(result.code == 1);
  CHECK(result.err.find("expected '--out' to be a folder that can be written") != std::string::npos);
}

TEST_CASE("probe --out writes over what the same command wrote and over nothing else") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  std::vector<std::string> command = small("lens", scratch / "model");
  command.insert(command.end(), {"--out", scratch / "out"});
  REQUIRE(run_tacit(command).code == 0);
  CHECK(run_tacit(command + std::vector<std::string>{"--json"}).code == 0);
  command.insert(command.end(), {"--hull-problems", "0"});
  const Finished other = run_tacit(command);
  CAPTURE(other.err);
  CHECK(other.code == 1);
  CHECK(other.err.find("expected a new folder, or what this very command wrote, but got") != std::string::npos);
  CHECK(other.err.find("lens.json of the command [\"tacit\",\"probe\",\"lens\"") != std::string::npos);
}

TEST_CASE("probe --out does not write over what the same command found in another model") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  std::vector<std::string> command = small("lens", scratch / "model");
  command.insert(command.end(), {"--out", scratch / "out"});
  REQUIRE(run_tacit(command).code == 0);
  const std::filesystem::path report = scratch / "out" / "lens.json";
  const std::string before = read_file(report, "test");
  write_checkpoint(scratch / "model", "coconut", 2);
  const Finished other = run_tacit(command);
  CAPTURE(other.err);
  CHECK(other.code == 1);
  CHECK(other.err.find("expected a new folder, or what this very command wrote of the same model, but got") !=
        std::string::npos);
  CHECK(read_file(report, "test") == before);
  Json old = Json::parse(before);
  CHECK(old.erase("weights_sha256") == 1);  // a report of before does not say
  write_file_atomic(report, old.dump(), "test");
  CHECK(run_tacit(command).code == 0);
}

TEST_CASE("probe: a task file's problems are asked in its template, as eval asks them") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  write_file_atomic(std::filesystem::path(scratch / "own.json"), R"({
    "name": "own", "summary": "Own", "format": "tsv", "data": "own.tsv", "fields": {"question": "a", "answer": "b"},
    "prompt": "[Q] {question} [R]", "solution": " {answer}", "separator": " ; ", "scorers": ["first_word"]})",
                    "test");
  write_file_atomic(std::filesystem::path(scratch / "own.tsv"), "a\tb\n1 2\t3\n2 2\t4\n5 2\t7\n", "test");
  const std::vector<std::string> command = {"probe",           "dimension", "--model",
                                            scratch / "model", "--task",    scratch / "own.json"};
  const auto steps = [&](std::vector<std::string> more) {
    more.insert(more.begin(), command.begin(), command.end());
    return thinker(run_json(more), "thoughts").at("steps");
  };
  CHECK(steps({}) != steps({"--prompt", "plain"}));
  CHECK(steps({}) != steps({"--shots", "1"}));
}

TEST_CASE("chart picture: columns go into panels where the width does not hold them, bars say how high a value is") {
  probe::Chart chart{"x", "Title", "place", "share"};
  chart.least = 0, chart.most = 1, chart.chance = .5;
  chart.series = {{"own", {}}, {"control", {}}};
  for (int i = 0; i < 10; ++i) {
    const std::string x = "p" + std::to_string(i);
    chart.series[0].points.push_back({x, {.9, .8, 1, 50}});
    chart.series[1].points.push_back({x, {.5, .5, .5, 50}});
  }
  for (const int64_t width : {30, 60, 100, 200}) {
    const Lines lines = chart_picture(chart, {.width = width});
    int64_t heads = 0;
    for (const std::string& line : lines) {
      CHECK(display_width(line) <= width);
      heads += line.starts_with("place");
    }
    const int64_t fit = std::max<int64_t>((width - 9) / 13, 1);
    CHECK(heads == (10 + fit - 1) / fit);
  }
  const Lines coloured = chart_picture(chart, {.width = 100, .colour = true});
  CHECK(coloured[3].find("\x1b[32m") != std::string::npos);  // above chance
  CHECK(coloured[4].find("0.80–1.00") != std::string::npos);
  CHECK(coloured[5].find("\x1b[2m") != std::string::npos);  // at chance
}

TEST_CASE("probe dimension: one problem has no dimension, and the message says how many it takes") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const Finished one = run_tacit({"probe", "dimension", "--model", scratch / "model", "--count", "1"});
  CHECK(one.code == 1);
  CHECK(holds(one.err, "expected at least 2 problems"));
}
