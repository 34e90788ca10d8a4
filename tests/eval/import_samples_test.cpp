#include "eval/import_samples.h"

#include <doctest/doctest.h>

#include "eval/rescore.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

std::filesystem::path import_fixture(const std::string& name) {
  return std::filesystem::path(TACIT_SOURCE_DIR) / "tests/eval/fixtures" / name;
}

const OtherScore& score_of(const Sample& sample, const std::string& scorer) {
  const auto found = std::ranges::find(sample.scores, scorer, &OtherScore::scorer);
  REQUIRE(found != sample.scores.end());
  return *found;
}

// How often the harness itself wrote `metric` = 1 under `filter`.
int64_t counted(const std::filesystem::path& file, const std::string& filter, const std::string& metric) {
  int64_t count = 0;
  for_each_line(file, "test", [&](std::string_view line, int64_t) {
    const Json json = Json::parse(line);
    count += json.at("filter") == filter && json.at(metric) == 1.0;
  });
  return count;
}

}  // namespace

TEST_CASE("generated samples of lm-evaluation-harness: scored here, its own verdicts beside ours") {
  const ScratchFolder scratch;
  const auto file = import_fixture("lm_eval_samples_own_gsm8k.jsonl");
  const Run run =
      import_samples({.file = file, .scorers = {"gsm8k_strict", "gsm8k_flexible", "numeric"}, .out = scratch / "run"});
  REQUIRE(run.samples.size() == 16);
  CHECK(run.metrics.correct == counted(file, "strict-match", "exact_match"));
  CHECK(run.metrics.correct > 0);
  CHECK(run.metrics.correct < 16);
  for (const Sample& sample : run.samples) {
    CAPTURE(sample.text);
    CHECK(sample.correct == score_of(sample, "harness:strict-match").score.correct);
    CHECK(sample.answer == score_of(sample, "harness:strict-match").score.answer);
    CHECK(sample.extracted == score_of(sample, "harness:strict-match").score.extracted);
    const Score flexible = score_of(sample, "gsm8k_flexible").score;
    CHECK(flexible.correct == score_of(sample, "harness:flexible-extract").score.correct);
    CHECK(flexible.answer == score_of(sample, "harness:flexible-extract").score.answer);
    CHECK(sample.question.starts_with("Question: What is "));
  }
  CHECK(run.metrics.task == "lm_eval_samples_own_gsm8k");
  // The folder is a run like any other, and can be rescored from its own examples.
  CHECK(read_run(scratch / "run").metrics.correct == run.metrics.correct);
  const Rescored again = rescore(scratch / "run");
  CHECK(again.changes.empty());
  CHECK(again.run.samples[0].scores.size() == run.samples[0].scores.size());
  const Rescored numeric = rescore(scratch / "run", {.scorers = {"numeric"}});
  CHECK(numeric.run.metrics.correct >= run.metrics.correct);
  CHECK(score_of(numeric.run.samples[0], "harness:strict-match").score.answer ==
        score_of(run.samples[0], "harness:strict-match").score.answer);
  // The rules of a generated task read its own questions alone.
  const Rescored as_chain = rescore(scratch / "run", {.task = "chain", .dry = true});
  CHECK(as_chain.run.metrics.task == "chain");
  CHECK(as_chain.run.metrics.heuristics.empty());
}

TEST_CASE("multiple choice of lm-evaluation-harness: acc, acc_norm and acc_bytes are ours") {
  const ScratchFolder scratch;
  const auto file = import_fixture("lm_eval_samples_own_choices.jsonl");
  const Run run = import_samples({.file = file, .out = scratch / "run"});
  REQUIRE(run.samples.size() == 16);
  int64_t differ = 0;
  for (const Sample& sample : run.samples) {
    CAPTURE(sample.id);
    CHECK(sample.correct == score_of(sample, "harness:acc").score.correct);
    CHECK(score_of(sample, "choice_likelihood_norm").score.correct ==
          score_of(sample, "harness:acc_norm").score.correct);
    CHECK(score_of(sample, "choice_likelihood_bytes").score.correct ==
          score_of(sample, "harness:acc_bytes").score.correct);
    differ += score_of(sample, "choice_likelihood_norm").score.answer !=
              score_of(sample, "choice_likelihood_bytes").score.answer;
    CHECK(sample.answer == sample.text);
  }
  CHECK(differ > 0);  // the fixture tells characters from bytes
  CHECK(run.metrics.correct == counted(file, "none", "acc"));
  CHECK(rescore(scratch / "run").changes.empty());
}

TEST_CASE("import: a task's own examples are held to the documents") {
  const ScratchFolder scratch;
  std::string lines, short_line;
  for (int64_t i = 0; i < 3; ++i) {
    lines += "What is " + std::to_string(i) + " + " + std::to_string(18 - i) + "?||<<x>> #### 18\n";
  }
  std::string data;
  for (int64_t i = 0; i < 16; ++i) data += "What is it?||<<1+1=2>> #### 18\n";
  put(scratch / "data.txt", data);
  const Run run = import_samples({.file = import_fixture("lm_eval_samples_own_gsm8k.jsonl"),
                                  .task = "gsm8k_aug",
                                  .data = scratch / "data.txt",
                                  .scorers = {"numeric"},
                                  .out = scratch / "run"});
  CHECK(run.samples.size() == 16);
  CHECK(run.metrics.task == "gsm8k_aug");
  CHECK(rescore(scratch / "run").changes.empty());

  // A task file with data of its own: they are recorded, so that the run is rescored by itself.
  put(scratch / "sums.json", R"({"name": "sums", "format": "tsv", "data": "sums.tsv",
    "fields": {"question": "q", "answer": "a"}, "scorers": ["numeric"]})");
  std::string rows = "q\ta\n";
  for (int64_t i = 0; i < 16; ++i) rows += "What is it?\t18\n";
  put(scratch / "sums.tsv", rows);
  const Run sums = import_samples({.file = import_fixture("lm_eval_samples_own_gsm8k.jsonl"),
                                   .task = (scratch / "sums.json").string(),
                                   .out = scratch / "sums"});
  CHECK(sums.record.at("data") == "sums.tsv");
  CHECK(sums.record.at("task_path") == (scratch / "sums.json").string());
  CHECK(sums.record.contains("task_sha256"));
  CHECK(rescore(scratch / "sums").changes.empty());

  put(scratch / "few.txt", lines);
  const auto error = [&](const std::string& file) {
    return error_of([&] {
      import_samples({.file = import_fixture("lm_eval_samples_own_gsm8k.jsonl"),
                      .task = "gsm8k_aug",
                      .data = scratch / file,
                      .out = scratch / "other"});
    });
  };
  CHECK(holds(error("few.txt"), "document ids from 0 to 2"));
  put(scratch / "foreign.txt", "What is it?||<<1+1=2>> #### 7\n" + data);
  CHECK(holds(error("foreign.txt"), "it is another problem"));
  CHECK_FALSE(std::filesystem::exists(scratch / "other"));
}

TEST_CASE("import: broken files are refused, naming line and field; a folder with a run is left alone") {
  const ScratchFolder scratch;
  const std::string good =
      R"({"doc_id":0,"doc":{},"target":"18","arguments":{"gen_args_0":{"arg_0":"Q","arg_1":{}}},"resps":[["18"]],)"
      R"("filtered_resps":["18"],"filter":"none","metrics":["exact_match"],"exact_match":1.0})";
  const auto error = [&](const std::string& text) {
    put(scratch / "samples_x_2026-01-01T00-00-00.jsonl", text + "\n");
    return error_of(
        [&] { import_samples({.file = scratch / "samples_x_2026-01-01T00-00-00.jsonl", .out = scratch / "run"}); });
  };
  const auto without = [&](const std::string& part, const std::string& with) {
    std::string text = good;
    return text.replace(text.find(part), part.size(), with);
  };
  CHECK(holds(error(""), "expected samples but got none"));
  CHECK(holds(error("{"), "line 1"));
  CHECK(holds(error("[]"), "expected a sample as a JSON object"));
  CHECK(holds(error(without("\"doc_id\":0,", "")), "doc_id"));
  CHECK(holds(error(without("\"target\":\"18\",", "")), "target"));
  CHECK(holds(error(without("[[\"18\"]]", "[]")), "resps"));
  CHECK(holds(error(without("[[\"18\"]]", "[[3]]")), "resps"));
  CHECK(holds(error(without("gen_args_0", "gen_args_1")), "arguments"));
  CHECK(holds(error(good + "\n" + good), "one verdict"));
  CHECK(holds(error(good + "\n" + without("[[\"18\"]]", "[[\"19\"]]")), "differ in"));
  CHECK_FALSE(std::filesystem::exists(scratch / "run"));
  CHECK(error(good) == "");
  CHECK(read_run(scratch / "run").metrics.task == "x");
  CHECK(holds(error(good), "which has a run"));
}

TEST_CASE("import: somebody's folder is refused and left as it was") {
  const ScratchFolder scratch;
  put(scratch / "thesis.tex", "x");
  const std::string error = error_of(
      [&] { import_samples({.file = import_fixture("lm_eval_samples_own_gsm8k.jsonl"), .out = scratch.path()}); });
  CHECK(holds(error, "[import] expected a new folder, or one of a run, but got "));
  CHECK(scratch.names() == std::vector<std::string>{"thesis.tex"});
}

TEST_CASE("import: repeats of a document are kept apart") {
  const ScratchFolder scratch;
  put(scratch / "samples_x.jsonl",
      R"({"doc_id":4,"target":18,"arguments":[["Q",{}]],"resps":[["18","19","$18.00"]],"filtered_resps":["18"],"filter":"none",)"
      R"("metrics":["exact_match"],"exact_match":1.0})"
      "\n");
  const Run run = import_samples({.file = scratch / "samples_x.jsonl", .out = scratch / "run"});
  REQUIRE(run.samples.size() == 3);
  CHECK(run.samples[0].id == "x/4");
  CHECK(run.samples[2].repeat == 2);
  CHECK(run.samples[0].correct);
  CHECK_FALSE(run.samples[1].correct);
  CHECK(run.samples[2].correct);
  CHECK(run.metrics.correct == 2);
  CHECK(rescore(scratch / "run").changes.empty());
}

}  // namespace tacit
