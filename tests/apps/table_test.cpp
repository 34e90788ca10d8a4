#include <doctest/doctest.h>

#include <algorithm>

#include "tests/apps/checkpoint.h"

using namespace tacit;
using namespace tacit::test;

namespace {

using Words = std::vector<std::string>;

const Words kFewProblems = {"--count", "6", "--seed", "3", "--latency-problems", "0", "--threads", "1"};

}  // namespace

TEST_CASE("table: a report and runs side by side, in every form") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks", "coconut", 1);
  write_checkpoint(scratch / "writes", "cot", 2);
  const std::string thinks = scratch / "thinks", writes = scratch / "writes", report = scratch / "report";
  const Finished compared = run_tacit(Words{"compare", "--model", thinks, "--model", writes, "--interventions", "swap",
                                            "--task", "reach", "--out", report} +
                                      kFewProblems);
  CAPTURE(compared.err);
  REQUIRE(compared.code == 0);
  for (const std::string& model : {thinks, writes}) {
    const Finished run =
        run_tacit(Words{"eval", "--model", model, "--task", "reach", "--kind", "random", "--out", model + "-random"} +
                  kFewProblems);
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
  }
  const Words paths = {"table", report, thinks + "-random", writes + "-random"};
  const Finished shown = run_tacit(paths);
  CAPTURE(shown.err);
  REQUIRE(shown.code == 0);
  CHECK(shown.out.starts_with("accuracy % (95 % CI) "));
  CHECK(holds(shown.out, "reach (kind prosqa)"));
  CHECK(holds(shown.out, "reach (kind random)"));
  CHECK(holds(shown.out, "\nbest label-blind rule "));
  CHECK(holds(shown.out, "thinks +swap, writes +swap ('--all' takes them)"));
  CHECK_FALSE(holds(shown.out, "words at most"));  // those of a report are known, too

  const Finished as_json = run_tacit(paths + Words{"--json", "--baseline", "writes"});
  CAPTURE(as_json.err);
  REQUIRE(as_json.code == 0);
  const Json json = Json::parse(as_json.out);
  CHECK(json.at("rows").size() == 2);
  REQUIRE(json.at("cells").size() == 4);
  const Json read = read_json(scratch / "report/compare.json", "test"),
             run = read_json(scratch / "thinks-random/metrics.json", "test");
  CHECK(json.at("cells")[0].at("accuracy") == read.at("rows")[0].at("accuracy"));
  CHECK(json.at("cells")[0].at("p_holm") == read.at("rows")[0].at("p_holm"));
  CHECK(json.at("cells")[1].at("accuracy_ci") == run.at("accuracy_ci"));
  CHECK(json.at("cells")[1].at("against") == "writes");
  // The report's own run says the same again.
  const Finished twice = run_tacit(paths + Words{report + "/runs/thinks", "--json", "--baseline", "writes"});
  CAPTURE(twice.err);
  CHECK(twice.code == 0);
  CHECK(Json::parse(twice.out).at("cells") == json.at("cells"));

  const Finished csv = run_tacit(paths + Words{"--csv"});
  CHECK(csv.code == 0);
  CHECK(csv.out.starts_with("row,task,problems,accuracy,low,high,p_holm,against\r\nthinks,reach (kind prosqa),6,"));
  CHECK(std::ranges::count(csv.out, '\n') == 1 + 4 + 2);
  CHECK(holds(run_tacit(paths + Words{"--markdown"}).out, "\n| thinks | "));
  CHECK(holds(run_tacit(paths + Words{"--latex"}).out, "\\bottomrule\n\\end{tabular}\n% problems: "));
  CHECK(holds(run_tacit(paths + Words{"--all", "--csv"}).out, "\r\nthinks +swap,"));
}

TEST_CASE("table: what cannot stand in one is refused") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const auto eval = [&](const std::string& out, const Words& more) {
    const Finished run =
        run_tacit(Words{"eval", "--model", scratch / "model", "--out", scratch / out} + kFewProblems + more);
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
  };
  eval("a", {});
  eval("b", {"--dtype", "bf16", "--max-answer-tokens", "1"});
  const std::string a = scratch / "a", b = scratch / "b";
  struct Case {
    Words args;
    int code;
    std::string part;
  };
  for (const Case& c :
       {Case{{"table"}, 2, "expected PATH"},
        {{"table", a, "--latex", "--csv"}, 2, "expected at most one of"},
        {{"table", a, scratch / "no"}, 1, "which is not there"},
        {{"table", scratch.path().string()}, 1, "expected the folder of a report, which has a compare.json"},
        {{"table", a, "--baseline", "modle"}, 1, "did you mean 'model'?"}}) {
    const Finished result = run_tacit(c.args);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.part));
  }
  const Finished both = run_tacit({"table", a, b});
  CAPTURE(both.err);
  CHECK(both.code == 1);
  CHECK(holds(both.err, "but got two: " + a + " and " + b));
  std::filesystem::copy(scratch / "a", scratch / "copy");
  CHECK(run_tacit({"table", a, scratch / "copy"}).code == 0);
  std::filesystem::remove(scratch / "a/metrics.json");
  const Finished unfinished = run_tacit({"table", a});
  CHECK(unfinished.code == 1);
  CHECK(holds(unfinished.err, "expected a finished run but got a folder without metrics.json"));
}
