#include <doctest/doctest.h>

#include <algorithm>

#include "eval/compare.h"
#include "eval/run.h"
#include "tests/eval/run_support.h"

namespace tacit {
namespace {

using namespace test;

const std::vector<std::string> kAll = {"zero",    "mean",       "noise",    "swap",
                                       "permute", "truncate:1", "freeze:1", "perturb:0.5"};

RunOptions changed_run(const std::string& what, int64_t count = 23) {
  RunOptions options = small_run(count);
  options.intervention = parse_intervention(what, 7);
  return options;
}

Json without_times(Sample s) {
  s.ms_prefill = s.ms_think = s.ms_answer = 0;
  s.thoughts.clear();
  return to_json(s);
}

void check_same_samples(const Run& a, const Run& b) {
  REQUIRE(a.samples.size() == b.samples.size());
  for (size_t i = 0; i < a.samples.size(); ++i) {
    CHECK(same_thoughts(a.samples[i].thoughts, b.samples[i].thoughts));
    CHECK(without_times(a.samples[i]) == without_times(b.samples[i]));
  }
}

TEST_CASE("neither the batch nor the order changes what an intervention does") {
  const LoadedModel model = tiny_checkpoint();
  for (const std::string& what : kAll) {
    CAPTURE(what);
    RunOptions options = changed_run(what);
    options.batch = 1;
    const Run alone = evaluate(model, options);
    CHECK(alone.metrics.method == "coconut +" + what);
    options.batch = 5;
    options.shuffle = 3;
    check_same_samples(alone, evaluate(model, options));
  }
  RunOptions words = changed_run("swap");
  words.method = "cot";
  words.batch = 1;
  const Run alone = evaluate(model, words);
  words.batch = 100;
  check_same_samples(alone, evaluate(model, words));
}

TEST_CASE("a run with an intervention, stopped anywhere and resumed, ends with the files of an undisturbed one") {
  const LoadedModel model = tiny_checkpoint();
  for (const std::string what : {"swap", "noise"}) {
    RunOptions options = changed_run(what);
    options.latency_problems = 2;
    options.shuffle = 9;
    const ScratchFolder scratch;
    options.out = scratch / "whole";
    evaluate(model, options);
    const auto expected = folder_content(options.out);
    for (const int64_t calls : {2, 7, 9, 13}) {  // swap: in the clean pass, then among the problems; and in the timing
      CAPTURE(calls);
      options.out = scratch / ("stopped_" + std::to_string(calls));
      try {
        evaluate(model, options, stop_at_call(calls));
      } catch (const Interrupted&) {}
      evaluate(model, options);
      CHECK(folder_content(options.out) == expected);
    }
    const Json record = read_json(options.out / "run.json", "test");
    CHECK(record.at("method") == "coconut");
    CHECK(record.at("intervention") == what);
    CHECK(record.at("intervention_seed") == 7);
    RunOptions other = options;
    other.intervention->seed = 8;
    CHECK(holds(error_of([&] { evaluate(model, other); }), "'intervention_seed' of 7"));
    other.intervention.reset();
    CHECK(holds(error_of([&] { evaluate(model, other); }), "expected 'intervention' of \"" + what));
    other = options;
    other.halt = parse_halt_rule("fixed");
    CHECK(holds(error_of([&] { evaluate(model, other); }),
                "expected no 'halt', as the run in this folder was made without it, but got \"fixed\""));
  }
}

TEST_CASE("without thoughts is what no thoughts give; a method that has none is refused") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions none = small_run();
  none.latents = 0;
  const Run expected = evaluate(model, none), cut = evaluate(model, changed_run("truncate:0"));
  for (size_t i = 0; i < expected.samples.size(); ++i) {
    CHECK(cut.samples[i].answer == expected.samples[i].answer);
    CHECK(cut.samples[i].steps == 0);
  }
  RunOptions direct = changed_run("zero");
  direct.method = "direct";
  CHECK(holds(error_of([&] { evaluate(model, direct); }), "expected a method that takes thoughts but got 'direct'"));
  direct.intervention.reset();
  for (const char* rule : {"oracle", "fixed", "entropy:1"}) {
    direct.halt = parse_halt_rule(rule);
    CHECK(holds(error_of([&] { evaluate(model, direct); }), "[halt] expected a method that takes thoughts but got"));
  }
}

TEST_CASE(
    "the oracle stops at the first number of thoughts that is right, rules at most after the number of thoughts") {
  const LoadedModel model = tiny_checkpoint();
  RunOptions options = small_run(40);
  std::vector<Run> fixed;
  for (int64_t k = 0; k <= 3; ++k) {
    options.latents = k;
    fixed.push_back(evaluate(model, options));
  }
  options.latents = 3;
  options.halt = parse_halt_rule("oracle");
  const Run oracle = evaluate(model, options);
  CHECK(oracle.metrics.method == "coconut, oracle");
  int64_t early = 0;
  for (size_t i = 0; i < 40; ++i) {
    int64_t k = 0;
    while (k < 3 && !fixed[k].samples[i].correct) ++k;
    CHECK(oracle.samples[i].steps == k);
    CHECK(oracle.samples[i].answer == fixed[k].samples[i].answer);
    early += k < 3;
  }
  CHECK(early > 0);
  options.halt = parse_halt_rule("fixed");
  check_same_samples(evaluate(model, options), [&] {
    Run out = fixed[3];
    for (Sample& s : out.samples) s.method = "coconut, fixed";
    return out;
  }());
  options.halt = parse_halt_rule("entropy:1e9");
  CHECK(evaluate(model, options).metrics.mean_steps == 0);
  options.method = "cot";
  options.latents = -1;
  for (const char* rule : {"oracle", "entropy:1"}) {
    options.halt = parse_halt_rule(rule);
    CHECK(holds(error_of([&] { evaluate(model, options); }), "no words but got 'cot'"));
  }
}

TEST_CASE("a comparison tests a changed row against its own clean one") {
  const LoadedModel model = tiny_checkpoint();
  const Run clean = evaluate(model, small_run(40)), zero = evaluate(model, changed_run("zero", 40));
  const Comparison both = compare({{"tiny", clean}, {"tiny +zero", zero}}, "", {{"tiny +zero", "tiny"}});
  CHECK_FALSE(both.rows[0].clean);
  REQUIRE(both.rows[1].clean);
  const PairedTest& test = *both.rows[1].clean;
  int64_t lost = 0, won = 0;
  for (size_t i = 0; i < 40; ++i) {
    lost += clean.samples[i].correct && !zero.samples[i].correct;
    won += !clean.samples[i].correct && zero.samples[i].correct;
  }
  CHECK(test.against == "tiny");
  CHECK(test.only_this == won);
  CHECK(test.only_other == lost);
  CHECK(test.p_value == mcnemar(won, lost));
  CHECK(to_json(both).at("rows")[1].at("clean").at("only_clean") == lost);
  CHECK(holds(markdown_table(both), "| p vs clean |"));
  CHECK_FALSE(holds(markdown_table(compare({{"tiny", clean}}, "")), "p vs clean"));
  CHECK(holds(error_of([&] {
                compare({{"tiny +zero", zero}}, "", {{"tiny +zero", "tiny"}});
              }),
              "expected the row 'tiny' beside 'tiny +zero'"));
}

TEST_CASE("times that were not measured are null, and a dash beside a row that was timed") {
  RunOptions options = small_run(5);
  const Run unmeasured = evaluate(tiny_checkpoint(), options);
  for (const char* name : {"ms_median", "ms_p95", "ms_prefill", "ms_think", "ms_answer"})
    CHECK(to_json(unmeasured.metrics).at(name).is_null());
  CHECK(metrics_from_json(Json(to_json(unmeasured.metrics)), "test", "memory").ms_median == 0);
  CHECK_FALSE(holds(markdown_table(compare({{"tiny", unmeasured}}, "")), "ms/problem"));
  options.latency_problems = 1;
  const Run measured = evaluate(tiny_checkpoint(), options);
  CHECK(to_json(measured.metrics).at("ms_median").is_number());
  CHECK(holds(markdown_table(compare({{"tiny", unmeasured}, {"timed", measured}}, "")), "| – | – |"));
}

}  // namespace
}  // namespace tacit
