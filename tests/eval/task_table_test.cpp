#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "tests/eval/task_table_support.h"

namespace tacit {
namespace {

TEST_CASE("columns are named by what tells them apart") {
  using Names = std::vector<std::string>;
  const auto run = [](const std::string& task, const OrderedJson& record, const char* right = "1100") {
    return task_run("m", right, task, record);
  };
  CHECK(column_names({run("reach", record_of("w"))}) == Names{"reach"});
  CHECK(column_names({run("bbh", file_record("snarks.json"))}) == Names{"bbh"});
  CHECK(column_names({run("bbh", file_record("snarks.json")), run("bbh", file_record("navigate.json"))}) ==
        Names{"snarks", "navigate"});
  CHECK(column_names({run("reach", record_of("w")), run("reach", record_of("w", {{"seed", 8}}))}) ==
        Names{"reach (seed 7)", "reach (seed 8)"});
  const auto depth = [](int64_t least, uint64_t seed) {
    return record_of("w",
                     {{"generator", {{"kind", "prosqa"}, {"min_depth", least}, {"count", least}}}, {"seed", seed}});
  };
  CHECK(column_names({run("reach", depth(3, 7)), run("reach", depth(5, 7)), run("reach", depth(5, 8))}) ==
        Names{"reach (min_depth 3, seed 7)", "reach (min_depth 5, seed 7)", "reach (min_depth 5, seed 8)"});
  // As many as could be made is not what was asked.
  CHECK(column_names({run("reach", depth(3, 7)), run("reach", record_of("w"))}) ==
        Names{"reach (min_depth 3)", "reach (min_depth –)"});
  CHECK(column_names({run("reach", record_of("w")), run("reach", record_of("w"), "110011")}) ==
        Names{"reach (problems 4)", "reach (problems 6)"});
  CHECK(column_names({run("gsm8k", file_record("a/test.jsonl")), run("aqua", file_record("test.jsonl"))}) ==
        Names{"gsm8k", "aqua"});
  CHECK(column_names({run("gsm8k", file_record("test.jsonl")),
                      run("gsm8k", file_record("test.jsonl", {{"data_sha256", "0123456789abcdefgh"}}))}) ==
        Names{"gsm8k (data_sha256 test.jsonl)", "gsm8k (data_sha256 0123456789abcdef)"});
  // The beginnings of two hashes may be alike.
  CHECK(holds(error_of([&] {
                column_names({run("gsm8k", file_record("t", {{"data_sha256", "0123456789abcdefgh"}})),
                              run("gsm8k", file_record("t", {{"data_sha256", "0123456789abcdefxy"}}))});
              }),
              "[table] expected problems that a name tells apart but got 'gsm8k' for those of run-0 and of run-1"));
}

TEST_CASE("a run that was scored again on another file is of that file's column") {
  const Run plain = task_run("m", "1100", "gsm8k", file_record("test.jsonl"));
  const Run again = task_run(
      "n", "1101", "gsm8k",
      file_record(
          "test.jsonl",
          {{"rescored",
            {{"task", "gsm8k"}, {"scorers", {"numeric"}}, {"data", "corrected.jsonl"}, {"data_sha256", "cc"}}}}));
  CHECK(column_names({plain, again}) == std::vector<std::string>{"test", "corrected"});
}

TEST_CASE("rows of runs are called as compare calls them") {
  const auto row = [](const std::string& method, const OrderedJson& settings) {
    Run run = task_run("frontier", "11");
    run.metrics.method = method;
    if (!settings.is_null()) run.record["settings"] = {{"method", settings}};
    return task_result(run, "x").row;
  };
  CHECK(row("coconut", "coconut") == "frontier");
  CHECK(row("coconut, 0 thoughts", "coconut") == "frontier, 0 thoughts");
  CHECK(row("coconut +swap", "coconut") == "frontier +swap");
  CHECK(row("direct", "coconut") == "frontier-direct");
  CHECK(row("coconut-like", "coconut") == "frontier-coconut-like");
  CHECK(row("cot", "") == "frontier-cot");
  CHECK(row("imported", nullptr) == "frontier");
}

TEST_CASE("two results for one cell are refused with both paths, unless they are one run") {
  const ScratchFolder scratch;
  const auto a = write_run(scratch / "a", task_run("m", "1100")), b = write_run(scratch / "b", task_run("m", "1000"));
  const std::string error = error_of([&] { task_table(results_of({a, b})); });
  CHECK(holds(error, "[table] expected one result of 'm' on reach but got two: " + a.string() + " and " + b.string()));
  CHECK(task_table(results_of({a, a / "."})).rows.size() == 1);

  // A report and a run that it is made of: the report's test stands, whichever comes first.
  const Run cot = task_run("cot", "0000000011111111"), own = task_run("own", "1111111111111111");
  const auto report = write_report(scratch / "report", compare({{"own", own}, {"cot", cot}}, "cot"));
  const auto run = write_run(scratch / "run", own);
  for (const auto& folders : {std::vector{report, run}, std::vector{run, report}}) {
    const TaskTable table = task_table(results_of(folders));
    const auto row = std::ranges::find(table.rows, "own", &TaskRow::name);
    CHECK(row->cells[0]->against == "cot");
    CHECK(row->cells[0]->p_holm == doctest::Approx(2. / 256));
  }
}

TEST_CASE("an imported run has no speed: it is its report's by the file that it is from") {
  const ScratchFolder scratch;
  const auto imported = [](const char* hash) {
    Run out = task_run("m", "1100", "gsm8k", file_record("test.jsonl", {{"imported_sha256", hash}}));
    for (Sample& sample : out.samples) sample.ms_prefill = sample.ms_think = sample.ms_answer = 0;
    out.metrics = score_samples(out.samples, out.metrics);
    return out;
  };
  const auto report = write_report(scratch / "report", compare({{"m", imported("aa")}}, ""));
  const auto own = write_run(scratch / "own", imported("aa")), other = write_run(scratch / "other", imported("bb"));
  CHECK(task_table(results_of({report, own})).rows.size() == 1);
  CHECK(holds(error_of([&] { task_table(results_of({report, other})); }), "expected one result of 'm'"));
}

TEST_CASE("the baseline of a table: runs are tested, reports' tests against others are left out") {
  const ScratchFolder scratch;
  const OrderedJson file = file_record("snarks.json");
  const std::vector<TaskResult> results =
      results_of({write_report(scratch / "report", small_comparison()),
                  write_run(scratch / "a", task_run("frontier", "1111111111", "snarks", file)),
                  write_run(scratch / "b", task_run("cot", "1110000000", "snarks", file)),
                  write_run(scratch / "c", task_run("direct", "1100000000", "snarks", file))});
  const TaskTable table = task_table(results, {.baseline = "direct"});
  CHECK(table.baselines == std::vector<std::string>{"direct"});
  CHECK(table.rows[0].cells[0]->against == "");
  CHECK(table.rows[0].cells[1]->against == "direct");
  CHECK(table.rows[0].cells[1]->p_holm == doctest::Approx(4. / 256));  // twice the p of 8 to 0
  CHECK(table.rows[1].cells[1]->p_holm == 1);
  CHECK(has_note(table, "left out are the tests against cot in " + (scratch / "report").string()));
  CHECK(has_note(table, "not tested: frontier on reach; cot on reach"));
  CHECK(holds(markdown_table(table), "100.0† ("));
  const TaskTable none = task_table(results_of({scratch / "a", scratch / "b"}), {.baseline = "frontier"});
  CHECK(none.rows[1].cells[0]->p_holm == doctest::Approx(2. / 128));
  CHECK(error_of([&] { task_table(results, {.baseline = "dirct"}); }) ==
        "[table] expected the baseline to be one of the rows, frontier, cot, direct, but got 'dirct', did you mean "
        "'direct'?");
}

TEST_CASE("a baseline that nothing could be tested against is said to be one") {
  const ScratchFolder scratch;
  const auto report = write_report(scratch / "report", small_comparison());
  const auto run = write_run(scratch / "run", task_run("other", "1100", "bbh", file_record("a.json")));
  for (const char* baseline : {"direct", "other"}) {
    const TaskTable table = task_table(results_of({report, run}), {.baseline = baseline});
    CHECK(has_note(table, std::string("nothing was tested against ") + baseline));
    CHECK(has_note(table, baseline == std::string("other")
                              ? "not tested: frontier on reach; cot on reach; direct on reach"
                              : "not tested: frontier on reach; cot on reach; other on bbh"));
    for (const std::string& note : table.notes) CHECK_FALSE(holds(note, "p < .05"));
  }
}

TEST_CASE("a row's test is of all repeats that it shares with the baseline, whatever others have") {
  const auto repeated = [](const char* name, const std::vector<std::string>& right) {
    Run out = task_run(name, right[0]);
    for (size_t repeat = 1; repeat < right.size(); ++repeat) {
      for (Sample& sample : task_run(name, right[repeat]).samples) {
        sample.repeat = static_cast<int64_t>(repeat);
        out.samples.push_back(std::move(sample));
      }
    }
    out.metrics = score_samples(out.samples, out.metrics);
    return task_result(out, name);
  };
  const std::string none = "00000000", all = "11111111";
  const TaskTable table = task_table(
      {repeated("a", {none, all, all}), repeated("b", {none, none, none}), repeated("c", {none})}, {.baseline = "b"});
  CHECK(table.rows[0].cells[0]->p_holm == doctest::Approx(4. / 256));  // twice the p of 8 to 0
  CHECK(table.rows[2].cells[0]->p_holm == 1);
  CHECK(has_note(table,
                 "tested on the samples that both rows have, where a row has more of them (repeats): c on reach (8 of "
                 "24 samples)"));
}

TEST_CASE("reports with several baselines: a mark each") {
  const ScratchFolder scratch;
  const auto report = [&](const std::string& task, const std::string& baseline) {
    const OrderedJson record = file_record(task);
    return write_report(scratch / task, compare({{"a", task_run("a", "1111111111", task, record)},
                                                 {"b", task_run("b", "0000000000", task, record)}},
                                                baseline));
  };
  const TaskTable table = task_table(results_of({report("one", "b"), report("two", "a")}));
  CHECK(holds(markdown_table(table), "| a | 100.0† ("));
  CHECK(holds(markdown_table(table), "| b | 0.0 (0.0–27.8) | 0.0‡ ("));
  CHECK(std::ranges::any_of(table.notes, [](const std::string& note) {
    return note.starts_with("† differs from b, ‡ differs from a, p < .05 (");
  }));
}

TEST_CASE("rows whose thoughts were replaced stay out unless they are asked for") {
  const ScratchFolder scratch;
  const Comparison c = compare(
      {{"m", task_run("m", "1111")}, {"m +swap", task_run("m +swap", "0011")}, {"cot", task_run("cot", "0101")}}, "cot",
      {{"m +swap", "m"}});
  const auto report = write_report(scratch / "report", c);
  const TaskTable table = task_table(results_of({report}));
  CHECK(table.rows.size() == 2);
  CHECK(has_note(table, "left out, since their thoughts were replaced: m +swap ('--all' takes them)"));
  CHECK(task_table(results_of({report}), {.changed_thoughts = true}).rows.size() == 3);
  Run swap = task_run("m", "0011");
  swap.record["intervention"] = "swap";
  CHECK(error_of([&] { task_table({task_result(swap, "x")}); }) ==
        "[table] expected at least one result but got none; left out, since their thoughts were replaced: m ('--all' "
        "takes them)");
}

TEST_CASE("what the results of a row, or of a column, differ in is noted") {
  const auto result = [](const char* model, const char* task, const OrderedJson& more) {
    return task_result(task_run(model, "1100", task, file_record(task, more)), "x");
  };
  const TaskTable table = task_table({result("a", "one", {{"dtype", "fp32"}, {"max_answer_tokens", 8}}),
                                      result("a", "two", {{"dtype", "bf16"}, {"max_answer_tokens", 8}}),
                                      result("b", "one", {{"dtype", "fp32"}, {"max_answer_tokens", 8}}),
                                      result("b", "two", {{"dtype", "fp32"}, {"max_answer_tokens", 9}})});
  CHECK(has_note(table, "dtype differs within the row a: fp32 (one), bf16 (two)"));
  CHECK(has_note(table, "most tokens of an answer differ within the row b: 8 (one), 9 (two)"));
  CHECK(has_note(table, "dtype differs on two: bf16 (a), fp32 (b)"));
  CHECK(has_note(table, "most tokens of an answer differ on two: 8 (a), 9 (b)"));
  CHECK(std::ranges::count_if(table.notes, [](const std::string& note) { return holds(note, "differ"); }) == 4);
  Run oracle = task_run("a", "1100");
  oracle.record["halt"] = "oracle";
  CHECK(has_note(task_table({task_result(oracle, "x")}), "stops by the reference answer: a on reach"));
}

TEST_CASE(
    "how the text of a row, or of a checkpoint in a column, is marked, capped and ended is compared where known") {
  const ScratchFolder scratch;
  const auto run = [](const std::string& file, const std::string& method, const char* marker,
                      const OrderedJson& more = OrderedJson::object()) {
    OrderedJson record =
        file_record(file, {{"settings", {{"method", "own"}, {"markers", {{"answer", marker}}}, {"max_words", 64}}}});
    record.update(more);
    Run out = task_run("m", "10", file, record);
    out.metrics.method = method;
    return out;
  };
  const auto report = [&](const Run& of) { return write_report(scratch / of.metrics.task, compare({{"m", of}}, "")); };
  const auto about = [](const std::vector<TaskResult>& results) {
    std::vector<std::string> out;
    for (const std::string& note : task_table(results).notes) {
      if (holds(note, "differ")) out.push_back(note);
    }
    return out;
  };
  using Notes = std::vector<std::string>;
  const auto one = report(run("one", "own", "A")), two = report(run("two", "own", "B")),
             three = write_run(scratch / "three", run("three", "own", "A"));
  CHECK(about(results_of({one, three})).empty());
  CHECK(about(results_of({one, two})) ==
        Notes{"markers or words at most differ within the row m: [markers answer A, words at most 64] (one), [markers "
              "answer B, words at most 64] (two)"});
  Json before = read_json(one / "compare.json", "test");
  before.at("provenance").erase("writing");  // as reports were without it
  put(one / "compare.json", before.dump());
  CHECK(about(results_of({one, three})).empty());

  const auto result = [&](const std::string& file, const std::string& method, const OrderedJson& more) {
    return task_result(run(file, method, "A", more), file + method);
  };
  const OrderedJson ends = {{"end_tokens", {2, 3}}}, none = OrderedJson::object(), chosen = {{"writes", false}};
  CHECK(about({result("one", "own", ends), result("two", "own", none)}) ==
        Notes{"end tokens differ within the row m: 2 3 (one), – (two)"});
  CHECK(about({result("one", "own", ends), result("two", "own", chosen)}).empty());
  CHECK(about({result("one", "own", ends), result("one", "direct", none)}) ==
        Notes{"end tokens differ on one: 2 3 (m), – (m-direct)"});
  CHECK(about({result("one", "own", ends), result("one", "direct", chosen)}).empty());
  OrderedJson another = ends;
  another["weights_sha256"] = "another";
  CHECK(about({result("one", "direct", another), result("one", "own", none)}).empty());  // its tokens are others
}

TEST_CASE("a table of tasks says what its accuracies hide") {
  Run run = task_run("m", "1000", "bbh", file_record("a.json", {{"limit", 4}, {"limit_of", 90}}));
  run.samples[3].too_long = true;
  for (const size_t i : {1, 3}) run.samples[i].extracted = false;
  for (const size_t i : {0, 1, 2}) run.samples[i].answer_cut_off = true;
  run.metrics = score_samples(run.samples, run.metrics);
  const TaskTable table = task_table({task_result(run, "a")});
  CHECK(has_note(table, "longer than the model's positions, not solved and counted as wrong: m on bbh 1 of 4"));
  CHECK(has_note(table, "no answer was found in the text, which counts as wrong: m on bbh 1 of 3"));
  CHECK(has_note(table, "answers as long as the cap on answer tokens: m on bbh 3 of 3"));
  CHECK(has_note(table, "the first problems in the file's order, which need not be like the others: bbh (of 90)"));
  CHECK(task_table({task_result(task_run("m", "1000", "bbh", file_record("a.json")), "a")}).notes.size() == 1);
}

TEST_CASE("the mean's interval: of independent tasks, none where problems may be shared") {
  // Equal and symmetric intervals of K tasks: narrower by the root of K.
  const Interval even = mean_interval({.5, .5, .5, .5}, {{.4, .6}, {.4, .6}, {.4, .6}, {.4, .6}});
  CHECK(even.low == doctest::Approx(.45));
  CHECK(even.high == doctest::Approx(.55));
  const Interval skewed = mean_interval({1, .8}, {{.7, 1}, {.4, .9}});
  CHECK(skewed.low == doctest::Approx(.9 - std::sqrt(.09 + .16) / 2));
  CHECK(skewed.high == doctest::Approx(.95));
  const Interval one = mean_interval({.5}, {{.25, .875}});
  CHECK(one.low == doctest::Approx(.25));
  CHECK(one.high == doctest::Approx(.875));

  const auto mean = [](const Run& a, const Run& b) {
    return *task_table({task_result(a, "a"), task_result(b, "b")}).rows[0].mean;
  };
  const Run seven = task_run("m", "1100"), more = task_run("m", "11001100");
  const Run eight = task_run("m", "1100", "reach", record_of("w", {{"seed", 8}}));
  const auto generated = [](const Json& generator) {
    return task_run("m", "1100", "reach", record_of("w", {{"generator", OrderedJson(generator)}}));
  };
  const Run harder = generated({{"kind", "prosqa"}, {"max_depth", 9}}), random = generated({{"kind", "random"}});
  const Run file = task_run("m", "1100", "bbh", file_record("a.json")),
            other = task_run("m", "11", "bbh", file_record("b.json"));
  const Run corrected = task_run("m", "1101", "bbh", file_record("a.json", {{"data_sha256", "bb"}}));
  CHECK(mean(seven, eight).accuracy_ci);
  CHECK(mean(seven, file).accuracy_ci);
  CHECK(mean(file, other).accuracy_ci);
  CHECK_FALSE(mean(seven, more).accuracy_ci);
  CHECK_FALSE(mean(seven, harder).accuracy_ci);
  CHECK(mean(seven, random).accuracy_ci);
  const Run renamed = task_run("m", "1100", "mine", file_record("a.json"));
  CHECK_FALSE(mean(file, renamed).accuracy_ci);  // the same file
  CHECK_FALSE(mean(file, corrected).accuracy_ci);
  CHECK(mean(seven, more).accuracy == .5);
  CHECK(has_note(task_table({task_result(seven, "a"), task_result(more, "b")}),
                 "the mean has no interval, since columns may have problems in common: reach (problems 4), reach "
                 "(problems 8)"));
  CHECK_FALSE(task_table({task_result(seven, "a")}).rows[0].mean);  // of one task
}

TEST_CASE("reports that pool seeds are of one column whatever the order of their runs") {
  const auto report = [](const std::string& name, std::vector<uint64_t> seeds) {
    ComparedRow row{.name = name, .runs = {}};
    for (const uint64_t seed : seeds) {
      Run run = hand_made(name, "1100", static_cast<int64_t>(seed));
      run.record = record_of("w", {{"seed", seed}});
      row.runs.push_back(run);
    }
    return compare({row}, "");
  };
  const ScratchFolder scratch;
  const TaskTable table = task_table(results_of(
      {write_report(scratch / "a", report("a", {10, 20})), write_report(scratch / "b", report("b", {20, 10}))}));
  REQUIRE(table.columns.size() == 1);
  CHECK(table.columns[0].problems == 8);
  CHECK(table.columns[0].problem_set.at("seed") == Json::array({10, 20}));
}

TEST_CASE("folders that are no results are refused") {
  const ScratchFolder scratch;
  const auto report = write_report(scratch / "report", small_comparison());
  const auto run = write_run(scratch / "run", task_run("m", "1100"));
  const auto error = [](const std::filesystem::path& folder) { return error_of([&] { read_task_results(folder); }); };
  const std::string neither =
      "[table] expected the folder of a report, which has a compare.json, or of a run, which has a run.json, but got ";
  CHECK(error(scratch / "no") == neither + (scratch / "no").string() + ", which is not there");
  CHECK(error(report / "compare.json") == neither + (report / "compare.json").string());
  CHECK(error(scratch.path()) == neither + scratch.path().string());
  const std::string text = read_file(report / "compare.json", "test"), record = read_file(run / "run.json", "test");
  const auto with = [&](const std::function<void(Json&)>& change) {
    Json json = Json::parse(text);
    change(json);
    put(report / "compare.json", json.dump());
    return error(report);
  };
  put(report / "compare.json", text.substr(0, text.size() / 2));
  CHECK(holds(error(report), "[table]"));
  CHECK(holds(error(report), (report / "compare.json").string()));
  CHECK(
      holds(with([](Json& json) { json = Json::array(); }), "expected the report of a comparison, with its rows, in "));
  CHECK(holds(with([](Json& json) { json["rows"] = Json::array(); }), "but got something else"));
  CHECK(holds(with([](Json& json) { json["rows"][1] = 3; }), "expected rows that are objects but got 3 in "));
  CHECK(holds(with([](Json& json) { json["rows"][1].erase("accuracy"); }), "compare.json, row 'cot'"));
  CHECK(holds(with([](Json& json) { json["rows"][1]["accuracy"] = 43.75; }), "expected an accuracy from 0 to 1"));
  CHECK(holds(with([](Json& json) { json["rows"][1].erase("accuracy_ci"); }), "(0 to 0) of 'cot' in "));
  CHECK(holds(with([](Json& json) { json["examples"] = 0; }), "expected problems in "));
  CHECK(holds(with([](Json& json) { json["rows"][0].erase("name"); }), "'rows.name'"));

  put(run / "run.json", "{");
  CHECK(holds(error(run), (run / "run.json").string()));
  put(run / "run.json", OrderedJson::parse(record).dump());
  Json unfinished = Json::parse(record);
  unfinished["rescored"] = {{"task", "reach"}, {"scorers", {"numeric"}}, {"unfinished", true}};
  put(run / "run.json", unfinished.dump());
  CHECK(holds(error(run), "expected a finished run but got one whose rescoring was stopped"));
  put(run / "run.json", record);
  std::filesystem::remove(run / "metrics.json");
  CHECK(holds(error(run), "expected a finished run but got a folder without metrics.json: " + run.string()));
}

}  // namespace
}  // namespace tacit
