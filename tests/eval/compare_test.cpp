#include "eval/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "tests/lib/core_support.h"

namespace tacit {
namespace {

// A run whose i-th problem is right where `right` has a '1'; problem i has depth 3 + i % 2.
Run hand_made(const std::string& method, const std::string& right, int64_t first = 0) {
  Run run;
  for (size_t i = 0; i < right.size(); ++i) {
    Sample s;
    s.task = "reach";
    s.id = "p/" + std::to_string(first + static_cast<int64_t>(i));
    s.method = method;
    s.expected = "3";
    s.depth = 3 + (first + static_cast<int64_t>(i)) % 2;
    s.extracted = true;
    s.correct = right[i] == '1';
    s.steps = 6;
    s.tokens = 1;
    s.ms_prefill = 2;
    s.ms_think = 6;
    s.ms_answer = 2;
    run.samples.push_back(s);
  }
  Metrics known;
  known.model = known.method = method;
  known.task = "reach";
  known.ms_median = 12.5;
  known.ms_p95 = 101.4;
  known.heuristics = {{"lower in-degree", "the candidate that fewer edges lead to", 0.5, 0},
                      {"first candidate", "the candidate that the question lists first", 0.625, 16}};
  run.metrics = score_samples(run.samples, known);
  return run;
}

Comparison small_comparison() {
  return compare({{"frontier", hand_made("frontier", "1111111111111101")},
                  {"cot", hand_made("cot", "1100110000110001")},
                  {"direct", hand_made("direct", "0000111100001111")}},
                 "cot");
}

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

TEST_CASE("terminal table") {
  Comparison c = small_comparison();
  c.title = "Graphs";
  CHECK(terminal_table(c, 120, false) == R"(Graphs, 16 problems

model     accuracy %                           95 % CI  p vs cot  p Holm  steps  tokens  ms/problem  p95  problems/s
frontier        93.8  ██████████████████▊   81.2–100.0     .0078    .016    6.0     1.0        12.5  101         100
cot             43.8  ████████▊              18.8–68.8         –       –    6.0     1.0        12.5  101         100
direct          50.0  ██████████             25.0–75.0     1.000   1.000    6.0     1.0        12.5  101         100

accuracy % by depth  3 (n 8)  4 (n 8)
frontier                87.5    100.0
cot                     37.5     50.0
direct                  50.0     50.0

label-blind rules on the same problems: lower in-degree 50.0 %, first candidate 62.5 %

not told from cot (right alone; what McNemar's test at 5 % finds with 80 % power): direct (5 and 4 of 16; about 1128
  problems at these rates, or a difference of 48.7 points)

Not shown to beat a rule that never looks for the answer (“first candidate”, 62.5 %): cot, direct. The interval holds it
  or lies below.

Few problems, wide intervals: 8 at depth 3, 8 at depth 4.
)");
  CHECK(terminal_table(c, 60, false) == R"(Graphs, 16 problems

model     accuracy %     95 % CI  p vs cot  ms/problem
frontier        93.8  81.2–100.0     .0078        12.5
cot             43.8   18.8–68.8         –        12.5
direct          50.0   25.0–75.0     1.000        12.5
(a wider terminal also shows p95, tokens, problems/s, p
  Holm, steps)

accuracy % by depth  3 (n 8)  4 (n 8)
frontier                87.5    100.0
cot                     37.5     50.0
direct                  50.0     50.0

label-blind rules on the same problems: lower in-degree
  50.0 %, first candidate 62.5 %

not told from cot (right alone; what McNemar's test at 5 %
  finds with 80 % power): direct (5 and 4 of 16; about 1128
  problems at these rates, or a difference of 48.7 points)

Not shown to beat a rule that never looks for the answer
  (“first candidate”, 62.5 %): cot, direct. The interval
  holds it or lies below.

Few problems, wide intervals: 8 at depth 3, 8 at depth 4.
)");
}

TEST_CASE("colour adds codes and nothing else; no line is wider than asked") {
  const Comparison c = small_comparison();
  for (int64_t width : {48, 60, 75, 80, 100, 120, 200}) {
    CAPTURE(width);
    const std::string plain = terminal_table(c, width, false), coloured = terminal_table(c, width, true);
    CHECK(coloured != plain);
    std::string stripped;
    for (size_t i = 0; i < coloured.size(); ++i) {
      if (coloured[i] == '\x1b')
        i = coloured.find('m', i);
      else
        stripped += coloured[i];
    }
    // Spaces at the end of a line are cut only where no code follows them.
    std::istringstream expected(plain), got(stripped);
    for (std::string a, b; std::getline(expected, a) && std::getline(got, b);) {
      b.erase(b.find_last_not_of(' ') + 1);
      CHECK(a == b);
      const int64_t columns = std::count_if(a.begin(), a.end(), [](char ch) { return (ch & 0xC0) != 0x80; });
      CHECK(columns <= width);
    }
  }
}

TEST_CASE("Markdown table") {
  Comparison c = small_comparison();
  c.rows[0].name = "a|b";
  CHECK(markdown_table(c) == R"(reach, 16 problems

| model | method | accuracy % | 95 % CI | p vs cot | p Holm | steps | tokens | ms/problem | p95 | problems/s |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| a\|b | frontier | 93.8 | 81.2–100.0 | .0078 | .016 | 6.0 | 1.0 | 12.5 | 101 | 100 |
| cot | cot | 43.8 | 18.8–68.8 | – | – | 6.0 | 1.0 | 12.5 | 101 | 100 |
| direct | direct | 50.0 | 25.0–75.0 | 1.000 | 1.000 | 6.0 | 1.0 | 12.5 | 101 | 100 |

| accuracy % by depth | 3 (n 8) | 4 (n 8) |
| --- | ---: | ---: |
| a\|b | 87.5 | 100.0 |
| cot | 37.5 | 50.0 |
| direct | 50.0 | 50.0 |

label-blind rules on the same problems: lower in-degree 50.0 %, first candidate 62.5 %

not told from cot (right alone; what McNemar's test at 5 % finds with 80 % power): direct (5 and 4 of 16; about 1128 problems at these rates, or a difference of 48.7 points)

Not shown to beat a rule that never looks for the answer (“first candidate”, 62.5 %): cot, direct. The interval holds it or lies below.

Few problems, wide intervals: 8 at depth 3, 8 at depth 4.
)");
}

// What eval/run_record.cpp would write of a run, as far as a comparison looks.
OrderedJson record_of(const std::string& weights, const OrderedJson& more = OrderedJson::object()) {
  OrderedJson out = {{"command", {"tacit", "eval", "--model", weights}},
                     {"weights_sha256", weights + "0123456789abcdefghi"},
                     {"generator", {{"kind", "prosqa"}, {"count", 16}}},
                     {"style", "symbols"},
                     {"labels", 32},
                     {"seed", 7},
                     {"dtype", "Float"},
                     {"cpu", "one"},
                     {"threads", 1}};
  out.update(more);
  return out;
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
      {{{"dtype", "Half"}}, ""},
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

TEST_CASE("what rows were measured under and differ in is noted in every form of the report") {
  Run a = hand_made("a", "11"), b = hand_made("b", "10");
  a.record = record_of("a");
  b.record = record_of("b");
  CHECK(compare({{"a", a}, {"b", b}}, "").notes.empty());
  b.record = record_of("b", {{"dtype", "BFloat16"}, {"threads", 2}, {"cpu", "other"}});
  const Comparison c = compare({{"a", a}, {"b", b}}, "");
  CHECK(c.notes == std::vector<std::string>{"dtype differs: a Float, b BFloat16", "CPU differs: a one, b other",
                                            "threads differ: a 1, b 2"});
  for (const std::string& note : c.notes) {
    CHECK(holds(terminal_table(c, 100, false), "\n" + note + "\n"));
    CHECK(holds(markdown_table(c), "\n" + note + "\n"));
  }
  CHECK(to_json(c).at("notes").size() == 3);
  b.record = record_of("b", {{"versions", {{"tacit", "0.2.0"}, {"torch", "2.11.0"}}},
                             {"prompt", {{"template", "Q: {question}\nA:"}, {"chat", nullptr}}}});
  CHECK(compare({{"a", a}, {"b", b}}, "").notes ==
        std::vector<std::string>{R"(prompts differ: a –, b (template "Q: {question}\nA:", chat –))",
                                 "versions differ: a –, b (tacit 0.2.0, torch 2.11.0)"});
}

TEST_CASE("Markdown says how its numbers came about") {
  Run a = hand_made("a", "11"), b = hand_made("b", "10");
  a.record = record_of("a");
  b.record = record_of("b", {{"threads", 2}});
  Comparison c = compare({{"a", a}, {"b", b}}, "");
  c.provenance["command"] = {"tacit", "compare", "--runs", "a dir", "--runs", "it's"};
  c.provenance["run_commands"] = OrderedJson::array({OrderedJson::array({"tacit", "eval"})});
  CHECK(holds(markdown_table(c), R"(
    tacit compare --runs 'a dir' --runs 'it'\''s'
    tacit eval
    CPU: one
    threads: a 1, b 2
    dtype: Float
    seed: 7
    generator: kind prosqa, count 16
    weights, sha256: a a0123456789abcde, b b0123456789abcde
)"));
}

TEST_CASE("chains that ran into the cap on words have a column, where there are any") {
  Run run = hand_made("cot", "1100");
  run.samples[1].cut_off = true;
  run.metrics = score_samples(run.samples, run.metrics);
  const Comparison c = compare({{"cot", run}, {"direct", hand_made("direct", "1100")}}, "");
  CHECK(c.rows[0].metrics.cut_off == 1);
  CHECK(holds(markdown_table(c), "| steps | cut off % | tokens |"));
  CHECK(holds(markdown_table(c), "| cot | 50.0 | 0.0–100.0 | 6.0 | 25.0 | 1.0 |"));
  CHECK(holds(markdown_table(c), "| direct | 50.0 | 0.0–100.0 | 6.0 | 0.0 | 1.0 |"));
  CHECK(to_json(c).at("rows").at(0).at("cut_off") == 1);
  CHECK_FALSE(holds(markdown_table(small_comparison()), "cut off"));
}

TEST_CASE("the JSON form holds everything") {
  Comparison c = small_comparison();
  c.provenance = {{"seed", 7}};
  const OrderedJson json = to_json(c);
  CHECK(json.at("task") == "reach");
  CHECK(json.at("examples") == 16);
  CHECK(json.at("baseline") == "cot");
  CHECK(json.at("provenance").at("seed") == 7);
  REQUIRE(json.at("findings").size() == 2);
  CHECK(holds(json.at("findings").at(0), "Not shown to beat a rule"));
  CHECK(holds(json.at("findings").at(1), "Few problems"));
  CHECK(json.at("heuristics").at(1).at("accuracy") == .625);
  const OrderedJson& row = json.at("rows").at(0);
  CHECK(row.at("name") == "frontier");
  CHECK(row.at("accuracy") == 15.0 / 16);
  CHECK(row.at("only_this") == 8);
  CHECK(row.at("p_value") == doctest::Approx(2.0 / 256));
  CHECK(row.at("ms_p95") == 101.4);
  CHECK(row.at("accuracy_by_depth").size() == 2);
  CHECK(row.at("accuracy_by_depth").at(0).at("examples") == 8);
  CHECK(json.at("rows").at(1).at("p_value").is_null());
}

}  // namespace
}  // namespace tacit
