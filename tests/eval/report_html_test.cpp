#include "eval/report_html.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "eval/report_findings.h"
#include "tests/eval/page_support.h"
#include "tests/eval/report_support.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

using test::Element;
using test::kHostile;
using test::page_comparison;
using test::page_run;
using test::page_runs;

Element read(const std::string& page) {
  test::PageReader reader(page);
  Element root = reader.read();
  CHECK(reader.error == "");
  return root;
}

// Independent of the library's own formatting.
std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}
std::string percent(const OrderedJson& share) { return fixed(100 * share.get<double>(), 1); }
std::string p_text(double p) {
  if (p < 1e-4) return "<.0001";
  const std::string text = fixed(p, p < .01 ? 4 : 3);
  return text[0] == '0' ? text.substr(1) : text;
}
std::string range(const OrderedJson& ci) { return percent(ci.at(0)) + "–" + percent(ci.at(1)); }

std::vector<std::string> cells(const Element& row) {
  std::vector<std::string> out;
  for (const Element& cell : row.children) out.push_back(cell.text);
  return out;
}

// A table by the text of its rows' first cells, then of its heads.
std::map<std::string, std::map<std::string, std::string>> table_of(const Element& section) {
  const Element* table = section.named("table").at(0);
  const std::vector<std::string> heads = cells(*table->named("thead").at(0)->named("tr").at(0));
  std::map<std::string, std::map<std::string, std::string>> out;
  for (const Element* body : table->named("tbody")) {
    for (const Element* row : body->named("tr")) {
      const std::vector<std::string> texts = cells(*row);
      REQUIRE(texts.size() == heads.size());
      for (size_t c = 0; c < heads.size(); ++c) out[texts[0]][heads[c]] = texts[c];
    }
  }
  return out;
}

const OrderedJson& row_of(const OrderedJson& json, const std::string& name) {
  for (const OrderedJson& row : json.at("rows")) {
    if (row.at("name") == name) return row;
  }
  FAIL("no row ", name);
  return json;
}

bool any_title(const Element& page, const std::string& text) {
  return std::ranges::any_of(page.named("title"), [&](const Element* t) { return t->text == text; });
}

TEST_CASE("a page is well-formed, its ids are unique and its links lead somewhere") {
  const Element page = read(html_report(page_comparison(), page_runs()));
  std::set<std::string> ids;
  for (const Element* e : page.all([](const Element& e) { return e.attributes.contains("id"); }))
    CHECK(ids.insert(e->attributes.at("id")).second);
  const auto links = page.named("a");
  CHECK(links.size() == 6);
  for (const Element* link : links) CHECK(ids.contains(link->attributes.at("href").substr(1)));
  CHECK(page.named("h1").at(0)->text == "reach, 16 problems");
}

TEST_CASE("a page needs nothing beside itself and lets nothing in") {
  const std::string text = html_report(page_comparison(), page_runs());
  const Element page = read(text);
  for (const char* name : {"src", "srcset", "data", "action", "xlink:href", "onclick", "onload"}) {
    CAPTURE(name);
    CHECK(page.all([&](const Element& e) { return e.attributes.contains(name); }).empty());
  }
  for (const char* name : {"link", "img", "iframe", "object", "embed", "base", "image", "use", "form"})
    CHECK(page.named(name).empty());
  for (const Element* link : page.named("a")) CHECK(link->attributes.at("href").starts_with("#"));
  for (const char* word : {"url(", "@import", "fetch(", "XMLHttp", "WebSocket", "innerHTML", "eval("})
    CHECK_FALSE(holds(text, word));
  REQUIRE(page.named("script").size() == 1);
  const auto policy = page.all([](const Element& e) { return e.attributes.contains("http-equiv"); });
  REQUIRE(policy.size() == 1);
  CHECK(holds(policy[0]->attributes.at("content"), "default-src 'none'"));
  CHECK_FALSE(holds(policy[0]->attributes.at("content"), "script-src 'unsafe-inline'"));
}

TEST_CASE("what models, names and notes hold is text, never markup, whatever its bytes") {
  const std::string bad = kHostile;
  test::NamedRuns runs = {{"a" + bad, page_run("m" + bad, "1100", bad, 1e8, 1)},
                          {"a" + bad + " +swap", page_run("m", "1010", bad + " .52 x .40 | y 1.00", 1e8, 1)}};
  for (auto& [name, run] : runs) {
    for (Sample& s : run.samples) {
      s.question = s.answer = s.text = bad;
      s.expected = "4" + bad;
    }
    for (Heuristic& h : run.metrics.heuristics) h.name = h.rule = bad;
  }
  Comparison c = compare(runs, "a" + bad, {{"a" + bad + " +swap", "a" + bad}});
  c.title = c.task = bad;
  c.notes = {bad};
  c.provenance = {{"command", {"tacit", bad}}, {"seed", 7}, {"data", bad}};
  for (ComparisonRow& row : c.rows) row.seeds = {{1, 4, 2}};
  c.rows[0].by_latents = {{1, .5, {.2, .8}, 1, 1}};
  const std::string text = html_report(c, runs);
  const Element page = read(text);
  CHECK(page.named("script").size() == 1);
  CHECK_FALSE(holds(text, "<img"));
  CHECK(holds(page.text, "<script>alert(1)</script>"));
  CHECK(valid_utf8(text) == text);
  for (const char ch : text) {
    const auto byte = static_cast<unsigned char>(ch);
    if (byte < 0x20) CHECK((ch == '\n' || ch == '\t'));
    CHECK(byte != 0x7F);
  }
  CHECK_FALSE(holds(text, "\xc2\x85"));
  CHECK_FALSE(holds(text, "\xef\xbf\xbf"));
}

TEST_CASE("the table of results says what the JSON report says") {
  const Comparison c = page_comparison();
  const OrderedJson json = to_json(c);
  const auto table = table_of(*read(html_report(c, page_runs())).with_id("results"));
  CHECK(table.size() == 3);                         // the row with other thoughts stands among the controls
  CHECK_FALSE(table.at("cot").contains("method"));  // it would repeat the names
  for (const std::string name : {"frontier", "cot", "direct"}) {
    CAPTURE(name);
    const OrderedJson& row = row_of(json, name);
    const auto& cell = table.at(name);
    CHECK(cell.at("accuracy\u00A0%") == percent(row.at("accuracy")));
    CHECK(cell.at("95 % CI") == range(row.at("accuracy_ci")));
    CHECK(cell.at("p vs cot") == (name == "cot" ? "–" : p_text(row.at("p_value"))));
    CHECK(cell.at("steps") == fixed(row.at("mean_steps"), 1));
    CHECK(cell.at("tokens") == fixed(row.at("mean_tokens"), 1));
    CHECK(cell.at("ms/problem") == fixed(row.at("ms_median"), 2));
    CHECK(cell.at("p95") == fixed(row.at("ms_p95"), row.at("ms_p95").get<double>() < 9.995 ? 2 : 1));
    CHECK(cell.at("problems/s") == fixed(row.at("problems_per_s"), 0));
  }
}

TEST_CASE("bars are as long as the numbers") {
  const Comparison c = page_comparison();
  const OrderedJson json = to_json(c);
  const Element page = read(html_report(c, page_runs()));
  const auto bars = page.with_id("results")->all([](const Element& e) { return e.has_class("bar"); });
  REQUIRE(bars.size() == 3);
  const std::vector<std::string> names = {"frontier", "cot", "direct"};
  for (size_t i = 0; i < names.size(); ++i) {
    const OrderedJson& row = row_of(json, names[i]);
    double v = -1, l = -1, w = -1;
    REQUIRE(std::sscanf(bars[i]->attributes.at("style").c_str(), "--v:%lf;--l:%lf;--w:%lf", &v, &l, &w) == 3);
    CHECK(std::abs(v - 100 * row.at("accuracy").get<double>()) <= .0051);
    CHECK(std::abs(l - 100 * row.at("accuracy_ci").at(0).get<double>()) <= .0051);
    CHECK(std::abs(l + w - 100 * row.at("accuracy_ci").at(1).get<double>()) <= .0102);
  }
}

TEST_CASE("the controls stand under their clean row, with the paired test") {
  const Comparison c = page_comparison();
  const OrderedJson json = to_json(c);
  const Element page = read(html_report(c, page_runs()));
  const auto table = table_of(*page.with_id("controls"));
  REQUIRE(table.size() == 2);
  const OrderedJson &clean = row_of(json, "frontier"), &row = row_of(json, "frontier +swap");
  const auto& cell = table.at("+swap");
  CHECK(table.at("frontier").at("accuracy %") == percent(clean.at("accuracy")));
  CHECK(cell.at("accuracy %") == percent(row.at("accuracy")));
  CHECK(cell.at("95 % CI") == range(row.at("accuracy_ci")));
  CHECK(cell.at("only clean right") == std::to_string(row.at("clean").at("only_clean").get<int64_t>()));
  CHECK(cell.at("only this right") == std::to_string(row.at("clean").at("only_this").get<int64_t>()));
  CHECK(cell.at("p vs clean") == p_text(row.at("clean").at("p_value")));
  CHECK(cell.at("p Holm") == p_text(row.at("clean").at("p_holm")));
  CHECK(cell.at("difference") ==
        "−" + fixed(100 * (clean.at("accuracy").get<double>() - row.at("accuracy").get<double>()), 1));
}

TEST_CASE("the marks of the plots name the numbers of the JSON report") {
  const Comparison c = page_comparison();
  const OrderedJson json = to_json(c);
  const Element page = read(html_report(c, page_runs()));
  for (const std::string name : {"frontier", "cot", "direct"}) {
    CAPTURE(name);
    const OrderedJson& row = row_of(json, name);
    const std::string accuracy =
        name + ": " + percent(row.at("accuracy")) + " % (" + range(row.at("accuracy_ci")) + "), ";
    const double megaflops = row.at("mean_flops").get<double>() / 1e6;
    CHECK(any_title(*page.with_id("accuracy-flops"), accuracy + fixed(megaflops, 0) + " MFLOPs a problem"));
    CHECK(any_title(*page.with_id("accuracy-ms"), accuracy + fixed(row.at("ms_median"), 2) + " ms a problem"));
    for (const OrderedJson& d : row.at("accuracy_by_depth")) {
      const int64_t n = d.at("examples");
      CHECK(any_title(*page.with_id("accuracy-depth"), name + ", depth " + d.at("depth").dump() + " (n " +
                                                           std::to_string(n) + "): " + percent(d.at("accuracy")) +
                                                           " % (" + range(d.at("accuracy_ci")) + ")"));
    }
  }
  CHECK(any_title(*page.with_id("accuracy-thoughts"), "frontier, 2 thoughts: 75.0 % (50.0–93.8)"));
  CHECK(any_title(*page.with_id("accuracy-seeds"), "frontier, seed 7: 87.5 % (7 of 8)"));
  CHECK(any_title(*page.with_id("accuracy-seeds"), "frontier, seed 8: 100.0 % (8 of 8)"));
}

TEST_CASE("rules, command and notes are there in full") {
  const Comparison c = page_comparison();
  const Element page = read(html_report(c, page_runs()));
  const auto rules = table_of(*page.with_id("rules"));
  CHECK(rules.at("first candidate").at("accuracy %") == "62.5");
  CHECK(rules.at("first candidate").at("decides") == "16");
  CHECK(rules.at("lower in-degree").at("accuracy %") == "50.0");
  CHECK(page.with_id("provenance")->named("pre").at(0)->text == "tacit compare --seed 7");
  CHECK(holds(page.with_id("notes")->text, c.notes[0]));
}

TEST_CASE("a section is there when its data are") {
  struct Case {
    const char* id;
    void (*remove)(Comparison&);
  };
  const Case cases[] = {
      {"accuracy-flops",
       [](Comparison& c) {
         for (auto& r : c.rows) r.metrics.mean_flops = 0;
       }},
      {"accuracy-ms",
       [](Comparison& c) {
         for (auto& r : c.rows) r.metrics.ms_median = 0;
       }},
      {"accuracy-depth",
       [](Comparison& c) {
         for (auto& r : c.rows) r.metrics.accuracy_by_depth.clear();
       }},
      {"depth",
       [](Comparison& c) {
         for (auto& r : c.rows) r.metrics.accuracy_by_depth.clear();
       }},
      {"accuracy-thoughts",
       [](Comparison& c) {
         for (auto& r : c.rows) r.by_latents.clear();
       }},
      {"accuracy-seeds",
       [](Comparison& c) {
         for (auto& r : c.rows) r.seeds.clear();
       }},
      {"controls", [](Comparison& c) { c.rows[1].clean.reset(); }},
      {"rules", [](Comparison& c) { c.heuristics.clear(); }},
      {"provenance", [](Comparison& c) { c.provenance = nullptr; }},
  };
  const Element whole = read(html_report(page_comparison(), page_runs()));
  for (const Case& each : cases) {
    CAPTURE(each.id);
    CHECK(whole.with_id(each.id) != nullptr);
    Comparison c = page_comparison();
    each.remove(c);
    CHECK(read(html_report(c, page_runs())).with_id(each.id) == nullptr);
  }
  CHECK(whole.with_id("examples") != nullptr);
  Comparison none = page_comparison();
  none.disagreements.clear();
  CHECK(read(html_report(none, {})).with_id("examples") == nullptr);  // nothing to take them from
}

TEST_CASE("pages of one row, of many, of none or all right, without anything optional") {
  const auto page = [](const test::NamedRuns& runs) { return read(html_report(compare(runs, ""), runs)); };
  CHECK(holds(page({{"one", page_run("one", "1", "", 0, 0)}}).with_id("examples")->text, "1 of 1"));
  for (const char* right : {"0000", "1111"}) {
    const Element all = page({{"a", page_run("a", right, "x .5", 5e9, 1)}, {"b", page_run("b", right, "", 5e9, 1)}});
    CHECK(holds(all.with_id("examples")->text, "Every row is right or wrong on the same problems"));
    CHECK(all.with_id("accuracy-flops") != nullptr);  // costs that are all the same
  }
  test::NamedRuns many;
  for (int i = 0; i < 20; ++i)
    many.emplace_back("row " + std::to_string(i),
                      page_run("m", "1100110011001100", test::kReadouts, 1e6 * (i + 1), 1 + i));
  CHECK(table_of(*page(many).with_id("results")).size() == 20);
  CHECK(page(many).with_id("accuracy-flops")->named("g").size() >= 20);
}

TEST_CASE("examples are the recorded disagreements, those of plain rows first") {
  Comparison c = page_comparison();
  Element examples = *read(html_report(c, page_runs())).with_id("examples");
  auto shown = examples.all([](const Element& e) { return e.has_class("ex"); });
  REQUIRE(shown.size() == 8);
  CHECK(holds(shown[0]->text, "1 of 8 p/0"));  // frontier and cot right, direct wrong
  CHECK(holds(shown[4]->text, "5 of 8 p/6"));  // on p/4 and p/5 all are right
  Sample s = page_runs()[0].second.samples[3];
  c.disagreements = {{"chosen", "what?", "4", {s, s, s, s}}};
  examples = *read(html_report(c, {})).with_id("examples");
  shown = examples.all([](const Element& e) { return e.has_class("ex"); });
  REQUIRE(shown.size() == 1);
  CHECK(holds(shown[0]->text, "chosen"));
}

TEST_CASE("thoughts that are vectors become a table of steps and tokens") {
  const Element page = read(html_report(page_comparison(), page_runs()));
  const auto heat = page.all([](const Element& e) { return e.has_class("heat"); });
  REQUIRE(heat.size() == 8);  // frontier's alone: cot's are words, direct has none, changed rows show their answers
  const auto rows = heat[0]->named("tbody").at(0)->named("tr");
  REQUIRE(rows.size() == 4);
  CHECK(cells(*rows[0]) == std::vector<std::string>{"7", "52", "", ""});
  CHECK(cells(*rows[1]) == std::vector<std::string>{"3", "44", "", ""});
  CHECK(cells(*rows[2]) == std::vector<std::string>{"4 ✓", "", "2", "100"});
  CHECK(cells(*rows[3]) == std::vector<std::string>{"9", "", "98", ""});
}

TEST_CASE("the same comparison gives the same bytes") {
  CHECK(html_report(page_comparison(), page_runs()) == html_report(page_comparison(), page_runs()));
}

TEST_CASE("what a comparison does not show is said, with its numbers") {
  Comparison c = page_comparison();
  c.rows[1].clean->p_value = .25;
  c.rows[3].p_value = .03;
  c.rows[3].p_holm = .06;
  c.rows[2].metrics.cut_off = 4;
  const std::vector<std::string> found = negative_findings(c);
  REQUIRE(found.size() == 5);
  CHECK(holds(found[0], "“first candidate”, 62.5\u00A0%): cot, direct."));
  CHECK(holds(found[1], "frontier with +swap (p\u00A0.250)."));
  CHECK(holds(found[2], "direct (p\u00A0.030, Holm .060)."));
  CHECK(holds(found[3], "cot 25.0\u00A0%."));
  CHECK(holds(found[4], "6 at depth\u00A03, 5 at depth\u00A04, 5 at depth\u00A05."));
  c.heuristics.clear();
  c.rows[1].clean->p_value = .02;
  c.rows[1].clean->p_holm = .08;
  c.rows[2].metrics.cut_off = 0;
  for (ComparisonRow& row : c.rows) row.p_holm = row.p_value, row.metrics.accuracy_by_depth.clear();
  REQUIRE(negative_findings(c).size() == 1);
  CHECK(holds(negative_findings(c)[0], "after Holm's correction: frontier +swap (p\u00A0.020, Holm .080)."));
  c.rows[1].clean->p_holm = .02;
  CHECK(negative_findings(c).empty());
}

}  // namespace
}  // namespace tacit
