#include <doctest/doctest.h>

#include "tests/eval/compare_support.h"

namespace tacit {
namespace {

TEST_CASE("rows that are right on the same problems are named: their p of 1 is no finding") {
  const auto notes = [](const std::string& changed) {
    const Comparison c = compare({{"a", hand_made("a", "1100")},
                                  {"b", hand_made("b", "1100")},
                                  {"c", hand_made("c", "1001")},
                                  {"c +swap", hand_made("c +swap", changed)}},
                                 "a", {{"c +swap", "c"}});
    CHECK(c.rows[1].p_value == 1);
    std::vector<std::string> out = c.notes;
    std::erase_if(out, [](const std::string& note) { return !note.starts_with("right and wrong"); });
    return out;
  };
  const std::string note =
      "right and wrong on the same problems, so that a test has nothing to tell them apart by (p = 1): b and a";
  CHECK(notes("0110") == std::vector{note});
  CHECK(notes("1001") == std::vector{note + "; c +swap and c"});
}

TEST_CASE("accuracy by depth has a depth of 0, and leaves out what has none") {
  Run run = hand_made("cot", "1101");
  for (size_t i = 0; i < 4; ++i) run.samples[i].depth.reset();
  run.samples[0].depth = run.samples[1].depth = 0;
  run.samples[2].depth = 2;
  std::vector<Sample> read;
  for (const Sample& sample : run.samples)
    read.push_back(sample_from_json(Json::parse(to_json(sample).dump()), "test", "memory"));
  CHECK(read[0].depth == 0);
  CHECK_FALSE(read[3].depth);
  run.metrics = score_samples(read, run.metrics);
  REQUIRE(run.metrics.accuracy_by_depth.size() == 2);
  CHECK(run.metrics.accuracy_by_depth[0].depth == 0);
  CHECK(run.metrics.accuracy_by_depth[0].examples == 2);
  CHECK(run.metrics.accuracy_by_depth[0].accuracy == 1);
  CHECK(run.metrics.accuracy_by_depth[1].depth == 2);
  // A depth that one of two runs does not know does not make another problem.
  Run unknown = run;
  for (Sample& sample : unknown.samples) sample.depth.reset();
  CHECK(compare({{"known", run}, {"unknown", unknown}}, "").examples == 4);
}

TEST_CASE("compare counts who is right alone and tests it exactly") {
  const Comparison c = small_comparison();
  CHECK(c.task == "reach");
  CHECK(c.examples == 16);
  REQUIRE(c.rows.size() == 3);
  // frontier is right on 15; cot on problems 0 1 4 5 10 11 15. Only frontier: 2 3 6 7 8 9 12 13; only cot: none of 14.
  CHECK(c.rows[0].only_this == 8);
  CHECK(c.rows[0].only_baseline == 0);
  CHECK(c.rows[0].p_value == doctest::Approx(2.0 / 256).epsilon(1e-12));  // 2 (1/2)^8
  CHECK(c.rows[1].only_this == 0);
  CHECK(c.rows[1].only_baseline == 0);
  CHECK(c.rows[1].p_value == 1);
  // direct is right on 4 5 6 7 12 13 14 15. Only direct: 6 7 12 13 14; only cot: 0 1 10 11.
  CHECK(c.rows[2].only_this == 5);
  CHECK(c.rows[2].only_baseline == 4);
  CHECK(c.rows[2].p_value == 1);
  CHECK(c.rows[0].metrics.accuracy == 15.0 / 16);
  CHECK(c.rows[0].metrics.problems_per_s == doctest::Approx(100));
  CHECK(c.heuristics.size() == 2);
}

TEST_CASE("runs are compared on their common examples, whatever their order") {
  Run some = hand_made("cot", "1010", 2);  // problems 2..5
  std::reverse(some.samples.begin(), some.samples.end());
  const Comparison c = compare({{"all", hand_made("frontier", "11110000")}, {"some", some}}, "some");
  CHECK(c.examples == 4);
  CHECK(c.rows[0].metrics.examples == 4);
  CHECK(c.rows[0].metrics.accuracy == .5);      // problems 2 and 3
  CHECK(c.rows[0].only_this == 1);              // 3
  CHECK(c.rows[0].only_baseline == 1);          // 4
  CHECK(c.rows[0].metrics.heuristics.empty());  // they were those of eight examples
  CHECK(c.rows[0].metrics.ms_median == 12.5);
  CHECK(c.notes.back() == "compared on the 4 problems that all rows have; all has 8");
  CHECK(c.heuristics.size() == 2);  // of `some`, whose examples are the common ones
}

TEST_CASE("repeats that not all rows have are left out, and a note says so") {
  const Run once = hand_made("once", "10");
  Run thrice = once;
  for (int64_t repeat = 1; repeat < 3; ++repeat) {
    for (Sample sample : once.samples) {
      sample.repeat = repeat;
      sample.correct = true;
      thrice.samples.push_back(sample);
    }
  }
  thrice.metrics = score_samples(thrice.samples, thrice.metrics);
  const Comparison c = compare({{"once", once}, {"thrice", thrice}}, "");
  CHECK(c.rows[1].metrics.accuracy == .5);
  CHECK(c.notes.back() == "compared on the one sample of a problem (repeats) that all rows have; thrice has 3");
  CHECK(holds(markdown_table(c), c.notes.back()));
  CHECK(to_json(c).at("notes").back() == c.notes.back());
  for (const std::string& note : compare({{"a", thrice}, {"b", thrice}}, "").notes)
    CHECK_FALSE(holds(note, "repeats)"));
}

TEST_CASE("a row that halts by the reference answer is on no front and held against no rule, and a finding says so") {
  Run told = hand_made("told", "1111111111111111"), own = hand_made("own", "1111111111111110");
  Run weak = hand_made("weak", "1111111111000000");  // no better than the best rule
  told.record = weak.record = {{"halt", "oracle"}};
  told.metrics.mean_flops = own.metrics.mean_flops = weak.metrics.mean_flops = 0;
  for (Sample& sample : told.samples) sample.flops = 10;
  for (Sample& sample : own.samples) sample.flops = 20;
  for (Sample& sample : weak.samples) sample.flops = 5;
  const Comparison c = compare({{"told", told}, {"own", own}, {"weak", weak}}, "");
  CHECK_FALSE(c.rows[0].on_front);
  CHECK(c.rows[1].on_front);
  CHECK_FALSE(c.rows[2].on_front);
  const OrderedJson json = to_json(c);
  CHECK(json.at("rows").at(0).at("halts_by_answer") == true);
  CHECK_FALSE(json.at("rows").at(1).contains("halts_by_answer"));
  const std::string findings = json.at("findings").dump();
  CHECK(holds(findings, "reads the reference answer (oracle)"));
  CHECK(holds(findings, "never look for the answer: told, weak."));
  CHECK_FALSE(holds(findings, "Not shown to beat"));
  weak.record = nullptr;
  const std::string held = to_json(compare({{"weak", weak}, {"own", own}}, "")).at("findings").dump();
  CHECK(holds(held, "Not shown to beat"));
  CHECK(holds(held, "): weak. The interval holds it"));
}

TEST_CASE("texts with the answer marker again and another answer behind it are counted") {
  Run run = hand_made("cot", "111111");
  run.record = {{"settings", {{"markers", {{"answer", "[A]"}}}}}};
  const std::vector<std::string> texts = {"3 7 [A] 7", "3 [A] 3", "3 [A]", "3", "3 [A] 3 [A] 13", "3 [A] 4"};
  for (size_t i = 0; i < texts.size(); ++i) {
    run.samples[i].text = texts[i];
    run.samples[i].answer = "3";
  }
  const Comparison c = compare({{"cot", run}}, "");
  CHECK(c.rows[0].answered_again == 3);
  CHECK(holds(markdown_table(c), "than the one that is scored: cot 3 of 6."));
  CHECK(to_json(c).at("rows").at(0).at("answered_again") == 3);
  run.samples[3].too_long = true;  // no text at all
  CHECK(holds(markdown_table(compare({{"cot", run}}, "")), "than the one that is scored: cot 3 of 5."));
  run.record = nullptr;
  CHECK(compare({{"cot", run}}, "").rows[0].answered_again == 0);
}

TEST_CASE("a text that gives the same answer again, spelt otherwise than the scored one, is not counted") {
  struct Case {
    const char *text, *answer;
    bool again;
  };
  for (const Case& c : {Case{"B [A] B", "green apple", false},
                        {"B. [A] (b)", "green apple", false},
                        {"B [A] C", "green apple", true},
                        {"B [A] the green apple", "green apple", false},
                        {"True. [A] true", "True", false},
                        {"True. [A] false", "True", true},
                        {"1,000 [A] 1000", "1,000", false},
                        {"1000 [A] 1,000.", "1000", false},
                        {"1,000 [A] 100", "1,000", true},
                        {"3 [A] .", "3", false}}) {
    CAPTURE(c.text);
    Run run = hand_made("cot", "1");
    run.record = {{"settings", {{"markers", {{"answer", "[A]"}}}}}};
    run.samples[0].text = c.text;
    run.samples[0].answer = c.answer;
    CHECK(compare({{"cot", run}}, "").rows[0].answered_again == c.again);
  }
}

TEST_CASE("no baseline, no test") {
  const Comparison c = compare({{"a", hand_made("a", "10")}, {"b", hand_made("b", "01")}}, "");
  CHECK(c.rows[1].only_this == 0);
  CHECK(terminal_table(c, 120, false).find("p vs") == std::string::npos);
  CHECK(to_json(c).at("rows").at(1).at("p_value").is_null());
}

TEST_CASE("runs that cannot be compared are refused") {
  const Run a = hand_made("a", "11"), far = hand_made("b", "11", 50);
  CHECK(holds(error_of([&] { compare(std::vector<ComparedRow>(), ""); }), "at least one run"));
  CHECK(holds(error_of([&] { compare({{"a", a}, {"b", far}}, ""); }), "they share none"));
  CHECK(holds(error_of([&] { compare({{"cot", a}, {"b", a}}, "cott"); }), "but got 'cott', did you mean 'cot'"));
  CHECK(holds(error_of([&] { compare({{"a", a}, {"a", a}}, ""); }), "names that differ but got 'a' twice"));
  Run other = a;
  other.metrics.task = "prosqa";
  CHECK(holds(error_of([&] {
                compare({{"a", a}, {"b", other}}, "");
              }),
              "one task but got 'reach' (a) and 'prosqa' (b)"));
  other = a;
  other.samples[1].expected = "9";
  CHECK(holds(error_of([&] {
                compare({{"a", a}, {"b", other}}, "");
              }),
              "expected 'p/1' to be the same problem in all runs"));
  other = a;
  other.samples[1].id = "p/0";
  CHECK(holds(error_of([&] { compare({{"b", other}}, ""); }), "'p/0' twice in run 'b'"));
}

TEST_CASE("runs on other problems are refused") {
  Run a = hand_made("a", "11"), b = hand_made("b", "10");
  a.record = record_of("a");
  struct Case {
    OrderedJson change;
    std::string message;
  };
  const Case cases[] = {
      {{{"seed", 8}}, "'seed' of 7 (a) and 8 (b)"},
      {{{"style", "english"}}, "'style' of \"symbols\" (a) and \"english\" (b)"},
      {{{"labels", 28}}, "'labels' of 32 (a) and 28 (b)"},
      {{{"data_sha256", "77"}}, "'data_sha256' of null (a) and \"77\" (b)"},
      {{{"generator", {{"kind", "random"}, {"count", 16}}}}, "'generator' of"},
      {{{"generator", {{"kind", "prosqa"}, {"count", 300}}}}, ""},  // more of the same
      {{{"dtype", "fp16"}}, ""},
  };
  for (const Case& c : cases) {
    b.record = record_of("b", c.change);
    const std::string error = error_of([&] { compare({{"a", a}, {"b", b}}, ""); });
    CAPTURE(c.change.dump());
    CAPTURE(error);
    CHECK(error.empty() == c.message.empty());
    CHECK(holds(error, c.message));
  }
}

}  // namespace
}  // namespace tacit
