#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "eval/report_columns.h"
#include "eval/report_findings.h"
#include "eval/report_plots.h"
#include "tests/eval/compare_support.h"

namespace tacit {
namespace {

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

TEST_CASE("LaTeX table: rows as they are, the best rule and chance as rows, everything else as comments") {
  Comparison c = small_comparison();
  c.rows[0].name = R"([50%] a_b & \{c}~^$#|<x> --y "")";
  c.notes = {"two\nlines"};
  c.provenance = {{"command", {"tacit", "compare", "100%"}}};
  CHECK(latex_table(c) == R"(% reach, 16 problems
% needs \usepackage{booktabs}; wider than the page: \resizebox{\linewidth}{!}{..} (graphicx)
\begin{tabular}{llrrrrrr}
\toprule
{}model & method & accuracy \% & 95 \% CI & p vs cot & p Holm & steps & ms/problem \\
\midrule
{}[50\%] a\_b \& \textbackslash{}\{c\}\textasciitilde{}\textasciicircum{}\$\#\textbar{}$<$x$>$ -{}-y "" & frontier & 93.8 & 81.2--100.0 & .0078 & .016 & 6.0 & 12.5 \\
{}cot & cot & 43.8 & 18.8--68.8 & -- & -- & 6.0 & 12.5 \\
{}direct & direct & 50.0 & 25.0--75.0 & 1.000 & 1.000 & 6.0 & 12.5 \\
\midrule
{}\textit{chance} & & 50.0 & & & & & \\
{}\textit{rule: first candidate} & & 62.5 & & & & & \\
\bottomrule
\end{tabular}
% label-blind rules on the same problems: lower in-degree 50.0 %, first candidate 62.5 %
% two lines
)" + [&] {
    std::string rest;
    for (const std::string& finding : negative_findings(c)) rest += "% " + finding + "\n";
    for (const std::string& line : provenance_lines(c)) rest += "% " + line + "\n";
    return rest;
  }());
}

TEST_CASE("answers that were not found or cut off, and problems that did not fit, are findings and a column") {
  Run none = hand_made("latent", "1000"), all = hand_made("direct", "1100");
  for (size_t i = 1; i < 4; ++i) none.samples[i].extracted = false;
  none.samples[3].too_long = true;
  for (size_t i = 0; i < 3; ++i) none.samples[i].answer_cut_off = true;
  for (Run* run : {&none, &all}) run->metrics = score_samples(run->samples, run->metrics);
  const Comparison c = compare({{"a", none}, {"b", all}}, "");
  const std::string text = markdown_table(c);
  CHECK(holds(text, "| no answer % |"));
  CHECK(holds(text, "| 66.7 |"));
  CHECK(holds(text, "No answer was found in the text, which counts as wrong: a 2 of 3."));
  CHECK(holds(
      text, "Answers as long as the cap on answer tokens (--max-answer-tokens) allows, so perhaps cut off: a 3 of 3."));
  CHECK(holds(text, "not solved and counted as wrong: a 1 of 4. Steps"));
  CHECK(to_json(c).at("rows").at(0).at("answers_cut_off") == 3);
  const std::string clean = markdown_table(compare({{"b", all}}, ""));
  CHECK_FALSE(holds(clean, "no answer"));
  CHECK_FALSE(holds(clean, "perhaps cut off"));
}

TEST_CASE("a row that thinks as its checkpoint was not trained to is noted, but for what needs no training") {
  const auto run = [](const std::string& method, const std::string& own) {
    Run out = hand_made(method, "10");
    out.record = record_of(method, {{"method", method}, {"settings", {{"method", own}}}});
    return out;
  };
  const auto notes = [](const Run& a) { return compare({{"row", a}}, "").notes; };
  CHECK(notes(run("coconut", "")) ==
        std::vector<std::string>{"asked to think as the checkpoint was not trained to: row "
                                 "(coconut; the checkpoint names no method)"});
  CHECK(notes(run("pause", "cot")) ==
        std::vector<std::string>{"asked to think as the checkpoint was not trained to: row "
                                 "(pause; the checkpoint was trained for cot)"});
  for (const auto& [method, own] : {std::pair("coconut", "coconut"), {"direct", ""}, {"cot", ""}, {"swi", "cot"}})
    CHECK(notes(run(method, own)).empty());
}

TEST_CASE("rows of one checkpoint with other markers, caps or ends are noted, where they write alike") {
  const auto run = [](const char* method, const char* marker, int64_t words, const OrderedJson& ends) {
    Run out = hand_made(method, "10");
    const OrderedJson settings = {{"method", method}, {"markers", {{"answer", marker}}}, {"max_words", words}};
    out.record = record_of("w", {{"method", method}, {"settings", settings}});
    if (!ends.is_null()) out.record["end_tokens"] = ends;
    return out;
  };
  const Run own = run("cot", "A", 64, {2});
  const auto noted = [&](const Run& other) {
    const std::vector<std::string> notes = compare({{"own", own}, {"other", other}}, "").notes;
    return std::ranges::any_of(notes, [](const std::string& note) {
      return note.starts_with("rows of one checkpoint differ in markers, words at most or end tokens: own: markers ");
    });
  };
  CHECK_FALSE(noted(own));
  CHECK(noted(run("cot", "B", 64, {2})));
  CHECK(noted(run("cot", "A", 20, {2})));
  CHECK(noted(run("cot", "A", 64, nullptr)));
  CHECK_FALSE(noted(run("direct", "A", 20, {2})));  // writes no chain
  CHECK(noted(run("direct", "A", 64, nullptr)));    // but an answer
  Run chosen = run("direct", "A", 64, nullptr);
  chosen.record["writes"] = false;
  CHECK_FALSE(noted(chosen));
  CHECK(noted(run("direct", "B", 64, {2})));
  Run another = run("cot", "B", 20, {2});
  another.record["weights_sha256"] = "another";
  CHECK_FALSE(noted(another));
  ComparedRow pooled{.name = "row", .runs = {own, run("cot", "A", 64, nullptr)}};
  for (Sample& sample : pooled.runs[1].samples) sample.id += "/more";
  CHECK(std::ranges::count(compare(std::vector{pooled}, "").notes, "within the row row markers or end tokens differ") ==
        1);
}

TEST_CASE("a row that left unsolved what another solved is not on the front, and beats nobody there") {
  struct Case {
    const char* right;  // of a; of b, which is cheaper, it is 1100
    std::vector<size_t> a, b;
    std::pair<bool, bool> front;
  };
  for (const Case& c : {Case{"1100", {}, {}, {false, true}},
                        {"1100", {}, {3}, {true, false}},
                        {"1000", {}, {3}, {true, false}},  // b is more accurate, too
                        {"1100", {3}, {3}, {false, true}},
                        {"1100", {3}, {2, 3}, {true, false}},
                        {"1100", {2}, {3}, {false, false}}}) {
    Run a = hand_made("a", c.right), b = hand_made("b", "1100");
    for (const size_t i : c.a) a.samples[i].too_long = true;
    for (const size_t i : c.b) b.samples[i].too_long = true;
    for (auto [run, flops] : {std::pair(&a, 9), {&b, 1}}) {
      for (Sample& sample : run->samples) sample.flops = sample.too_long ? 0 : flops;
      run->metrics = score_samples(run->samples, run->metrics);
    }
    const Comparison compared = compare({{"a", a}, {"b", b}}, "");
    CHECK((std::pair(compared.rows[0].on_front, compared.rows[1].on_front) == c.front));
    std::string off;
    for (const ComparisonRow& row : compared.rows) {
      if (row.solved_fewer) off += (off.empty() ? "" : ", ") + row.name;
    }
    const std::string text = markdown_table(compared);
    CHECK(holds(text, "; not on the front, since other rows solved some of these: " + off + ".") == !off.empty());
    CHECK(holds(text, "counted as wrong: ") == !c.b.empty());
  }
}

TEST_CASE("what only a row that halts by the reference answer solved keeps nobody off the front") {
  std::vector<ComparedRow> rows;
  for (const auto& [name, right] : {std::pair{"a", "1100"}, {"b", "1000"}, {"told", "1111"}}) {
    Run run = hand_made(name, right);
    const bool told = run.samples[3].correct;
    if (told) run.record = {{"halt", "oracle"}};
    for (Sample& sample : run.samples) sample.flops = 5;
    if (!told) run.samples[3].too_long = true, run.samples[3].flops = 0;
    run.metrics = score_samples(run.samples, run.metrics);
    rows.push_back({.name = name, .runs = {run}});
  }
  const Comparison compared = compare(rows, "");
  CHECK(compared.rows[0].on_front);
  CHECK_FALSE(compared.rows[0].solved_fewer);
  CHECK_FALSE(compared.rows[1].on_front);
}

TEST_CASE("a number of thoughts for which problems did not fit says so wherever it stands") {
  Run swept = hand_made("a", "1000");
  for (const size_t i : {2, 3}) swept.samples[i].too_long = true;
  ComparedRow row{.name = "a", .runs = {hand_made("a", "1110")}};
  row.by_latents = {{3, {hand_made("a", "1100")}}, {600, {swept}}};
  const Comparison c = compare(std::vector{row}, "");
  const std::string text = markdown_table(c);
  CHECK(holds(text, "| a | 50.0 (0.0–100.0) | 25.0 (0.0–75.0), 2 not solved |"));
  CHECK(holds(text, "not solved and counted as wrong: a with 600 thoughts 2 of 4. Steps"));
  CHECK_FALSE(holds(text, "front"));
  CHECK(to_json(c).at("rows").at(0).at("by_latents").at(1).at("too_long") == 2);
  const auto plots = xy_plots(c);
  const auto plot = std::ranges::find(plots, "accuracy-thoughts", &XyPlot::id);
  REQUIRE(plot != plots.end());
  CHECK(plot->series[0].points[1].title.ends_with(", 2 not solved"));
}

TEST_CASE("the first problems of a file are noted as such, drawn ones and generated ones are not") {
  const auto notes = [](const OrderedJson& more) {
    Run run = hand_made("a", "10");
    run.record = record_of("a", more);
    return compare({{"a", run}}, "").notes;
  };
  const OrderedJson first = {{"data", "f.json"}, {"limit", 2}, {"limit_of", 90}};
  CHECK(notes(first) == std::vector<std::string>{"the first 2 of 90 problems in the file's order, which need not be "
                                                 "like the others ('--limit-seed' draws some)"});
  OrderedJson drawn = first;
  drawn["limit_seed"] = 3;
  CHECK(notes(drawn) == std::vector<std::string>{"2 of 90 problems in the file, drawn by seed 3"});
  CHECK(notes({{"limit", 2}, {"limit_of", 90}}).empty());
}

TEST_CASE("what rows were measured under and differ in is noted in every form of the report") {
  Run a = hand_made("a", "11"), b = hand_made("b", "10");
  a.record = record_of("a");
  b.record = record_of("b");
  CHECK(compare({{"a", a}, {"b", b}}, "").notes.empty());
  b.record = record_of("b", {{"dtype", "bf16"}, {"threads", 2}, {"cpu", "other"}});
  const Comparison c = compare({{"a", a}, {"b", b}}, "");
  CHECK(c.notes == std::vector<std::string>{"dtype differs: a fp32, b bf16", "CPU differs: a one, b other",
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
    dtype: fp32
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
