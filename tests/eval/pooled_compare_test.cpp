#include <doctest/doctest.h>

#include <algorithm>

#include "eval/compare.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

// Problem i of `prefix` is right where `right` has a '1'.
Run hand_made(const std::string& method, const std::string& prefix, const std::string& right, double flops = 0) {
  Run run;
  for (size_t i = 0; i < right.size(); ++i) {
    Sample s;
    s.task = "reach";
    s.id = prefix + "/" + std::to_string(i);
    s.method = method;
    s.question = "asked " + s.id;
    s.text = right[i] == '1' ? "3" : "4";
    s.expected = "3";
    s.extracted = true;
    s.correct = right[i] == '1';
    s.flops = static_cast<int64_t>(flops);
    run.samples.push_back(s);
  }
  Metrics known;
  known.model = known.method = method;
  known.task = "reach";
  run.metrics = score_samples(run.samples, known);
  return run;
}

Run with_seed(Run run, uint64_t seed, double ms = 0) {
  run.record = {{"seed", seed}, {"threads", 1}};
  run.metrics.ms_median = ms;
  run.metrics.heuristics = {{"a rule", "always", seed == 7 ? .5 : 1, 2}};
  return run;
}

TEST_CASE("runs on several seeds' problems are one row of all of them, run paired with run") {
  const ComparedRow a{
      .name = "a", .runs = {with_seed(hand_made("a", "s7", "1100"), 7, 5), with_seed(hand_made("a", "s8", "1111"), 8)}};
  const ComparedRow b{.name = "b",
                      .runs = {with_seed(hand_made("b", "s7", "0110"), 7), with_seed(hand_made("b", "s8", "1000"), 8)}};
  const Comparison c = compare(std::vector{a, b}, "b");
  CHECK(c.examples == 8);
  CHECK(c.samples == 8);
  CHECK(c.rows[0].metrics.correct == 6);
  CHECK(c.rows[0].metrics.ms_median == 5);  // of the run that measured any
  CHECK(c.rows[0].only_this == 4);
  CHECK(c.rows[0].only_baseline == 1);
  CHECK(c.rows[0].difference.mean == 3. / 8);
  CHECK(c.rows[0].p_holm == c.rows[0].p_value);
  REQUIRE(c.rows[1].seeds.size() == 2);
  CHECK(c.rows[1].seeds[0].seed == 7);
  CHECK(c.rows[1].seeds[0].correct == 2);
  CHECK(c.rows[1].seeds[1].seed == 8);
  CHECK(c.rows[1].seeds[1].correct == 1);
  CHECK(c.rows[1].seeds[1].examples == 4);
  CHECK(c.heuristics.at(0).accuracy == .75);
  CHECK(c.heuristics.at(0).decided == 4);
  CHECK(c.provenance.at("seed") == OrderedJson::array({7, 8}));
  CHECK(holds(markdown_table(c), "| accuracy % by seed | 7 | 8 |"));
  CHECK(holds(markdown_table(c), "| a | 50.0 (n 4) | 100.0 (n 4) |"));
}

TEST_CASE("samples of one problem are kept apart, and resampled together") {
  // Three models of one method on the same ten problems, which each of them answers alike: they say no more than one.
  const std::string right = "1110111010", wrong = "1000101000";
  const auto thrice = [](const std::string& name, const std::string& answers) {
    ComparedRow row{.name = name, .runs = {}};
    for (int i = 0; i < 3; ++i) row.runs.push_back(hand_made(name, "p", answers));
    return row;
  };
  const Comparison one = compare({{"a", hand_made("a", "p", right)}, {"b", hand_made("b", "p", wrong)}}, "b");
  const Comparison three = compare(std::vector{thrice("a", right), thrice("b", wrong)}, "b");
  CHECK(three.examples == 10);
  CHECK(three.samples == 30);
  CHECK(three.rows[0].metrics.examples == 30);
  CHECK(three.rows[0].only_this == 3 * one.rows[0].only_this);
  CHECK(three.rows[0].p_value == doctest::Approx(one.rows[0].p_value));
  CHECK(three.rows[0].metrics.accuracy_ci.low == doctest::Approx(one.rows[0].metrics.accuracy_ci.low));
  CHECK(three.rows[0].metrics.accuracy_ci.high == doctest::Approx(one.rows[0].metrics.accuracy_ci.high));
  CHECK(three.rows[0].difference.ci.low == doctest::Approx(one.rows[0].difference.ci.low));
  CHECK(three.rows[0].p_holm == three.rows[0].p_value);
  CHECK(one.rows[0].p_holm == one.rows[0].p_value);
  REQUIRE(three.notes.size() >= 2);
  CHECK(holds(three.notes[0], "30 samples of 10 problems"));
  CHECK(holds(three.notes.back(), "all alike, so that several say no more than one: a, b"));
  CHECK(holds(terminal_table(three, 200, false), "reach, 10 problems, 30 samples a row\n"));
  CHECK(holds(markdown_table(three), "| accuracy % by seed (n: samples) |"));
}

TEST_CASE("a row of one run is paired with every run of the others; other numbers of runs are refused") {
  const ComparedRow two{.name = "two", .runs = {hand_made("a", "p", "1100"), hand_made("a", "p", "1010")}};
  const ComparedRow one{.name = "one", .runs = {hand_made("b", "p", "0101")}};
  const Comparison c = compare(std::vector{two, one}, "one");
  CHECK(c.rows[1].metrics.examples == 4);
  CHECK(c.rows[0].metrics.examples == 8);
  CHECK(c.rows[0].only_this == 1 + 2);
  CHECK(c.rows[0].only_baseline == 1 + 2);
  CHECK(c.rows[1].seeds.empty());
  const ComparedRow three{.name = "three", .runs = std::vector(3, hand_made("c", "p", "1111"))};
  CHECK(holds(error_of([&] {
                compare(std::vector{two, three}, "");
              }),
              "divides 3, as many as another row has, of row"));
  const ComparedRow none{.name = "none", .runs = {}};
  CHECK(holds(error_of([&] { compare(std::vector{two, none}, ""); }), "at least one run of row 'none'"));
  const ComparedRow mixed{.name = "mixed", .runs = {hand_made("a", "p", "11"), hand_made("b", "p", "11")}};
  CHECK(holds(error_of([&] { compare(std::vector{mixed}, ""); }), "one method in row 'mixed' but got 'a' and 'b'"));
}

TEST_CASE("p values are corrected by Holm over the table, those against clean rows by themselves") {
  const std::string base = "00000000000000000000";
  const auto row = [&](const std::string& name, int64_t right) {
    std::string answers = base;
    std::fill_n(answers.begin(), right, '1');
    return std::pair{name, hand_made(name, "p", answers)};
  };
  // p = 2 (1/2)^n: 1/16, 1/64, 1/512; the smallest times 3, the next times 2.
  const Comparison c =
      compare({row("base", 0), row("five", 5), row("ten", 10), row("seven", 7), row("five +a", 12), row("five +b", 8)},
              "base", {{"five +a", "five"}, {"five +b", "five"}});
  CHECK(c.rows[1].p_holm == doctest::Approx(1. / 16));
  CHECK(c.rows[2].p_holm == doctest::Approx(3. / 512));  // times the plain rows alone, whatever was changed beside them
  CHECK(c.rows[3].p_holm == doctest::Approx(2. / 64));
  CHECK_FALSE(c.rows[4].tested);
  CHECK(Json(to_json(c)).at("rows").at(4).at("p_holm").is_null());
  CHECK(c.rows[4].clean->p_holm == doctest::Approx(2. / 64));  // 7 apart: 1/64, and 3 apart: 1/4
  CHECK(c.rows[5].clean->p_holm == doctest::Approx(1. / 4));
  CHECK(holds(markdown_table(c), "| clean, Holm |"));
  const Json json = Json(to_json(c)).at("rows").at(2);
  CHECK(json.at("p_holm") == c.rows[2].p_holm);
  CHECK(json.at("difference") == .5);
  CHECK(json.at("difference_ci").at(0).get<double>() < .5);
  // Only `five` is not told from the base. With 5 of 20 discordant and all on one side: (1.96 sqrt(.25) + .8416
  // sqrt(.25 - .0625))^2 / .0625 = 28.92.
  REQUIRE(c.notes.size() == 1);
  CHECK(holds(c.notes[0], "not told from base"));
  CHECK(holds(c.notes[0], ": five (5 and 0 of 20; about 29 problems at these rates)"));
}

TEST_CASE("the front holds who is not beaten for as many operations") {
  const Comparison c = compare({{"cheap", hand_made("a", "p", "1000", 10)},
                                {"worse", hand_made("b", "p", "1000", 20)},
                                {"best", hand_made("c", "p", "1110", 30)},
                                {"as much, worse", hand_made("d", "p", "1100", 30)},
                                {"as good, dearer", hand_made("e", "p", "0111", 40)},
                                {"not known", hand_made("f", "p", "1111", 0)},
                                {"cheap +swap", hand_made("a", "p", "1110", 5)}},
                               "", {{"cheap +swap", "cheap"}});
  std::vector<std::string> front;
  for (const ComparisonRow& row : c.rows) {
    if (row.on_front) front.push_back(row.name);
  }
  CHECK(front == std::vector<std::string>{"cheap", "best"});
  CHECK(holds(markdown_table(c), "| cheap | a | 25.0 | 0.0–75.0 | – | 0.0 | 0.0 | 10.0  | • |"));
}

TEST_CASE("disagreements are the first problems that rows differ in, each once") {
  const Comparison c =
      compare({{"a", hand_made("a", "p", "1101111111111111")}, {"b", hand_made("b", "p", "1010000000000000")}}, "");
  REQUIRE(c.disagreements.size() == 8);
  CHECK(c.disagreements[0].id == "p/1");
  CHECK(c.disagreements[1].id == "p/2");
  CHECK(c.disagreements[0].question == "asked p/1");
  CHECK(c.disagreements[0].samples.at(0).correct);
  CHECK_FALSE(c.disagreements[0].samples.at(1).correct);
  CHECK(Json(to_json(c)).at("disagreements").at(1).at("rows").at(0).at("text") == "4");
  CHECK(compare({{"a", hand_made("a", "p", "10")}, {"b", hand_made("b", "p", "10")}}, "").disagreements.empty());
  // Those of plain rows first, then those of changed ones alone.
  const Comparison changed = compare({{"a", hand_made("a", "p", "1111")},
                                      {"b", hand_made("b", "p", "1101")},
                                      {"a +swap", hand_made("a", "p", "0111")}},
                                     "", {{"a +swap", "a"}});
  REQUIRE(changed.disagreements.size() == 2);
  CHECK(changed.disagreements[0].id == "p/2");
  CHECK(changed.disagreements[1].id == "p/0");
}

TEST_CASE("one model on two seeds stands beside two models on the same two") {
  const auto run = [](const std::string& method, uint64_t seed, const std::string& right) {
    return with_seed(hand_made(method, "s" + std::to_string(seed), right), seed);
  };
  const ComparedRow two{.name = "two",
                        .runs = {run("a", 7, "11"), run("a", 8, "10"), run("a", 7, "01"), run("a", 8, "00")}};
  const ComparedRow one{.name = "one", .runs = {run("b", 7, "00"), run("b", 8, "11")}};
  const Comparison c = compare(std::vector{two, one}, "one");
  CHECK(c.examples == 4);
  CHECK(c.samples == 8);
  CHECK(c.rows[0].metrics.examples == 8);
  CHECK(c.rows[1].metrics.examples == 4);
  CHECK(c.rows[0].only_this == 3);             // 7/0 and 7/1, then 7/1
  CHECK(c.rows[0].only_baseline == 3);         // 8/1, then 8/0 and 8/1
  CHECK(c.rows[0].seeds.at(2).model == "#2");  // models of one name
  // Rows whose seeds do not fall together are refused.
  const ComparedRow turned{.name = "turned", .runs = {run("b", 8, "00"), run("b", 7, "11")}};
  CHECK(holds(error_of([&] { compare(std::vector{two, turned}, ""); }), "'seed' of 7"));
}

TEST_CASE("depths of rows that have other numbers of samples say each cell's; their intervals draw whole problems") {
  const auto deep = [](Run run) {
    for (Sample& sample : run.samples) sample.depth = 2;
    run.metrics = score_samples(run.samples, run.metrics);
    return run;
  };
  const Run once = deep(hand_made("a", "p", "1101"));
  const Comparison c =
      compare(std::vector{ComparedRow{.name = "two", .runs = {once, once}}, {.name = "one", .runs = {once}}}, "");
  CHECK(holds(markdown_table(c), "| accuracy % by depth (n: samples) | 2 |"));
  CHECK(holds(markdown_table(c), "Few problems, wide intervals: 4 at depth\u00A02."));
  CHECK(holds(markdown_table(c), "| two | 75.0 (n 8) |"));
  CHECK(holds(markdown_table(c), "| one | 75.0 (n 4) |"));
  const DepthAccuracy &two = c.rows[0].metrics.accuracy_by_depth.at(0),
                      &one = c.rows[1].metrics.accuracy_by_depth.at(0);
  CHECK(two.accuracy_ci.low == one.accuracy_ci.low);
  CHECK(two.accuracy_ci.high == one.accuracy_ci.high);
  CHECK(metrics_from_json(Json(to_json(c.rows[0].metrics)), "test", "here").accuracy_by_depth.at(0).accuracy_ci.low ==
        two.accuracy_ci.low);
}

TEST_CASE("what only some rows record is said of these, and other rules of scoring are noted") {
  Run plain = hand_made("a", "p", "10"), other = plain;
  plain.record = {{"dtype", "fp32"}, {"seed", 7}};
  other.record = plain.record;
  other.record["scorers"] = {"numeric"};
  const Comparison c = compare({{"a", plain}, {"b", other}}, "");
  CHECK_FALSE(c.provenance.contains("scorers"));
  CHECK(c.provenance.at("by_row").at("scorers").at("a").is_null());
  REQUIRE(!c.notes.empty());
  CHECK(c.notes[0] == "scorers differ: a –, b numeric");
  const Comparison mixed = compare(std::vector{ComparedRow{.name = "both", .runs = {plain, other}}}, "");
  REQUIRE(!mixed.notes.empty());
  CHECK(mixed.notes[0] == "within the row both scorers differ");
}

TEST_CASE("a row that pools runs in several kinds of numbers is said to") {
  Run plain = hand_made("a", "p", "10"), other = plain;
  plain.record = {{"dtype", "fp32"}, {"weights", "dtype"}, {"seed", 7}};
  other.record = plain.record;
  other.record["weights"] = "int8";
  const auto notes = [&](const Run& second) {
    return compare(std::vector{ComparedRow{.name = "both", .runs = {plain, second}}}, "").notes;
  };
  CHECK(std::ranges::count(notes(other), "within the row both format of weights differs") == 1);
  CHECK(std::ranges::count(notes(plain), "within the row both format of weights differs") == 0);
}

TEST_CASE("repeats that do not differ are said not to") {
  Run twice = hand_made("a", "p", "10");
  const size_t once = twice.samples.size();
  for (size_t i = 0; i < once; ++i) {
    twice.samples.push_back(twice.samples[i]);
    twice.samples.back().repeat = 1;
  }
  twice.metrics = score_samples(twice.samples, twice.metrics);
  const std::string note =
      "the repeats of a problem are all alike in these rows, so that several say no more than one: a";
  const auto has_note = [&](const Run& run) { return std::ranges::count(compare({{"a", run}}, "").notes, note) == 1; };
  CHECK(has_note(twice));
  twice.samples.back().text = "another";
  CHECK_FALSE(has_note(twice));
  CHECK_FALSE(has_note(hand_made("a", "p", "10")));
}

TEST_CASE("names of rows that Markdown would read as markup stand as themselves") {
  const Comparison c =
      compare({{"<b>_x_ *y*|`z`", hand_made("a", "p", "10")}, {"first_word", hand_made("b", "p", "11")}}, "");
  CHECK(holds(markdown_table(c), "| \\<b>\\_x\\_ \\*y\\*\\|\\`z\\` |"));
  CHECK(holds(markdown_table(c), "| first_word |"));
}

TEST_CASE("other numbers of thoughts stand in a table of their own, the row's own among them") {
  ComparedRow a{.name = "a", .runs = {hand_made("a", "p", "1110")}};
  a.by_latents[6] = {};
  a.by_latents[0] = {hand_made("a", "p", "1000", 12)};
  a.by_latents[2] = {hand_made("a", "p", "1100")};
  const Comparison c = compare(std::vector{a, ComparedRow{.name = "b", .runs = {hand_made("b", "p", "1111")}}}, "b");
  REQUIRE(c.rows[0].by_latents.size() == 3);
  CHECK(c.rows[0].by_latents[0].latents == 0);
  CHECK(c.rows[0].by_latents[0].accuracy == .25);
  CHECK(c.rows[0].by_latents[0].mean_flops == 12);
  CHECK(c.rows[0].by_latents[2].latents == 6);
  CHECK(c.rows[0].by_latents[2].accuracy == .75);
  CHECK(c.rows[1].by_latents.empty());
  CHECK(holds(markdown_table(c), "| accuracy % by thoughts | 0 | 2 | 6 |"));
  CHECK(holds(terminal_table(c, 100, false), "accuracy % by thoughts"));
}

}  // namespace
}  // namespace tacit
