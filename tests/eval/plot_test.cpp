#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "eval/plot/axis.h"
#include "eval/plot/gnuplot.h"
#include "eval/plot/labels.h"
#include "eval/plot/marks.h"
#include "eval/plot/markup.h"
#include "eval/report_html.h"
#include "eval/report_plots.h"
#include "eval/thought_readout.h"
#include "lib/core/rng.h"
#include "tests/eval/page_support.h"
#include "tests/eval/report_support.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

using Steps = std::vector<ReadoutStep>;

TEST_CASE("the ids of all plots are those of a report that has everything") {
  std::vector<std::string> ids;
  for (const XyPlot& plot : xy_plots(test::page_comparison())) ids.push_back(plot.id);
  for (const DotPlot& plot : seed_plots(test::page_comparison())) ids.push_back(plot.id);
  CHECK(ids == plot_ids());
}

TEST_CASE(
    "a row that halts by the reference answer, or solved fewer, is a point of the cost plots, not on their fronts") {
  for (const auto off : {&ComparisonRow::halts_by_answer, &ComparisonRow::solved_fewer}) {
    Comparison c = test::page_comparison();
    const auto fronts_with = [&](const char* row) {
      return std::ranges::count_if(xy_plots(c), [&](const XyPlot& plot) {
        return std::ranges::any_of(plot.front, [&](const PlotPoint& p) { return p.title.starts_with(row); });
      });
    };
    CHECK(fronts_with("frontier: ") == 2);  // against FLOPs and against time
    CHECK(holds(html_report(c, {}), "more accurate for less.<"));
    c.rows[0].*off = true;
    CHECK(fronts_with("frontier: ") == 0);
    CHECK(fronts_with("direct: ") == 2);
    CHECK(xy_plots(c)[1].series.size() == 3);
    CHECK(holds(html_report(c, {}), "more accurate for less; left out are frontier (see the notes above)."));
    for (ComparisonRow& row : c.rows) row.*off = true;
    CHECK(fronts_with("direct: ") == 0);
  }
}

TEST_CASE("readouts are read, tokens that look like bars or shares included") {
  CHECK(parse_readouts("7 .52 3 .44 | 9 .98") == Steps{{{"7", .52}, {"3", .44}}, {{"9", .98}}});
  CHECK(parse_readouts("9 1.00") == Steps{{{"9", 1}}});
  CHECK(parse_readouts("| .50 7 .30 | 9 .98") == Steps{{{"|", .5}, {"7", .3}}, {{"9", .98}}});
  CHECK(parse_readouts("9 .98 | | .50") == Steps{{{"9", .98}}, {{"|", .5}}});
  CHECK(parse_readouts("9 .98 | .50 | 7 .30") == Steps{{{"9", .98}, {"|", .5}}, {{"7", .3}}});
  CHECK(parse_readouts(" the .50 a b .20") == Steps{{{" the", .5}, {"a b", .2}}});
  CHECK(parse_readouts(".52 .52 | 1.00 .40") == Steps{{{".52", .52}}, {{"1.00", .4}}});
}

TEST_CASE("what is no readout is not taken for one") {
  for (const char* text : {"", "7 0", "2 7 11 29 ; 13 ; 14 24 ;", "[P] [P]", "7 .52 3", "7 .52 |", "| 7 .52 x", "x .5",
                           "x 0.52", "x 2.00", "costs .50 more"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_readouts(text).has_value());
  }
}

TEST_CASE("escaping and shortening keep whole characters") {
  CHECK(escape_markup("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
  CHECK(escape_markup("é–\xF0\x9F\x98\x80\n\t") == "é–\xF0\x9F\x98\x80\n\t");
  CHECK(escape_markup(std::string("\0", 1) + "\x1b\x7f\xc2\x80\xef\xbf\xbe\xf0\x9f\xbf\xbf\xff") ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(shortened("abcd", 4) == "abcd");
  CHECK(shortened("abcde", 4) == "abc…");
  CHECK(shortened("äöüäö", 3) == "äö…");
}

TEST_CASE("ticks are round, within the axis and few") {
  CHECK(linear_ticks(0, 100, 5) == std::vector<double>{0, 20, 40, 60, 80, 100});
  CHECK(tick_text(linear_ticks(-.01, .31, 3)[0]) == "0");
  CHECK(log_ticks(3, 60) == std::vector<double>{5, 10, 20, 50});
  CHECK(log_ticks(1, 1e4) == std::vector<double>{1, 10, 100, 1000, 10000});
  CHECK(round_up(37) == 40);
  CHECK(round_up(40) == 40);
  Rng rng(5);
  for (int i = 0; i < 500; ++i) {
    const double low = std::exp(20 * rng.uniform() - 10), high = low * (1.001 + 3 * rng.uniform());
    const std::vector<double> ticks = linear_ticks(low, high, 5);
    CHECK(ticks.size() >= 2);
    CHECK(ticks.size() <= 6);
    for (const double t : ticks) CHECK((t >= low * (1 - 1e-6) && t <= high * (1 + 1e-6)));
  }
}

TEST_CASE("labels in a column keep their order and their distance, and move as little as that takes") {
  CHECK(spread({10, 50, 90}, 15, 0, 100) == std::vector<double>{10, 50, 90});
  CHECK(spread({50, 50}, 10, 0, 100) == std::vector<double>{45, 55});
  CHECK(spread({0, 0, 100}, 10, 0, 100) == std::vector<double>{0, 10, 100});
  Rng rng(6);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> wanted(1 + round % 14);
    for (double& w : wanted) w = 100 * rng.uniform();
    const std::vector<double> got = spread(wanted, 12, 0, 100);
    const double gap = std::min(12., 100. / std::max<double>(1, static_cast<double>(wanted.size()) - 1));
    for (size_t i = 0; i < got.size(); ++i) {
      CHECK(got[i] >= -1e-6);
      CHECK(got[i] <= 100 + 1e-6);
      for (size_t j = 0; j < got.size(); ++j) {
        if (i == j) continue;
        CHECK(std::abs(got[i] - got[j]) >= gap - 1e-6);
        if (wanted[i] < wanted[j]) CHECK(got[i] < got[j]);
      }
    }
  }
}

TEST_CASE("labels beside a dozen points lie within the plot and apart") {
  Rng rng(7);
  const Box frame{50, 10, 510, 280};
  for (int round = 0; round < 50; ++round) {
    std::vector<std::pair<double, double>> points;
    for (int i = 0; i < 12; ++i) points.emplace_back(60 + 440 * rng.uniform(), 20 + 250 * rng.uniform());
    const auto labels = place_labels(points, std::vector<double>(12, 60), 14, frame, {});
    double covered = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      CHECK(overlap(labels[i].box, frame) == doctest::Approx(60 * 14));
      for (size_t j = 0; j < i; ++j) covered += overlap(labels[i].box, labels[j].box);
    }
    CHECK(covered == 0);
  }
}

TEST_CASE("forty-nine rows have forty-nine pairs of colour and shape; changed rows that of their clean one") {
  std::set<std::pair<int64_t, int64_t>> pairs;
  for (int64_t i = 0; i < 49; ++i) pairs.emplace(colour_of(i), shape_of(i));
  CHECK(pairs.size() == 49);
  const Comparison c = test::page_comparison();
  CHECK(style_of(c, "frontier") == 0);
  CHECK(style_of(c, "frontier +swap") == 0);
  CHECK(style_of(c, "cot") == 1);
  CHECK(style_of(c, "direct") == 2);
}

TEST_CASE("a changed row is called by what changed, as rows and as folders name it") {
  const auto change = [](const char* name) {
    ComparisonRow row;
    row.name = name;
    row.clean = PairedTest{.against = "frontier"};
    return change_of(row);
  };
  CHECK(change("frontier +swap") == "+swap");
  CHECK(change("frontier+perturb-0.5") == "+perturb-0.5");
  CHECK(change("frontiers") == "frontiers");
  CHECK(change("other +swap") == "other +swap");
}

TEST_CASE("the front holds the rows that none beats for less") {
  const Comparison c = test::page_comparison();
  XyPlot plot = xy_plots(c).at(0);
  REQUIRE(plot.id == "accuracy-flops");
  REQUIRE(plot.front.size() == 2);  // direct, then frontier; cot costs most
  CHECK(plot.front[0].x == doctest::Approx(100));
  CHECK(plot.front[1].y == doctest::Approx(93.75));
  CHECK(xy_plots(c).at(1).id == "accuracy-ms");
  CHECK(xy_plots(c).at(1).front.size() == 2);
}

TEST_CASE("every mark and word of a plot lies within its picture") {
  for (const XyPlot& plot : xy_plots(test::page_comparison())) {
    CAPTURE(plot.id);
    const std::string text = svg(plot);
    test::PageReader reader(text);
    const test::Element root = reader.read();
    REQUIRE(reader.error == "");
    for (const test::Element* e : root.all([](const test::Element& e) { return e.attributes.contains("x"); })) {
      const double x = std::stod(e->attributes.at("x")), y = std::stod(e->attributes.at("y"));
      CHECK((x >= 0 && x <= 520 && y >= 0 && y <= 330));
    }
    CHECK(root.all([](const test::Element& e) { return e.has_class("mark"); }).size() >= 3);
    CHECK_FALSE(holds(text, "nan"));
    CHECK_FALSE(holds(text, "inf"));
  }
}

TEST_CASE("data for gnuplot: a block a series, as the script counts them, and no text that breaks out") {
  Comparison c = test::page_comparison();
  c.rows[0].name = "it's `date`\n\"x\"\t$(y)";
  c.rows[1].clean->against = c.rows[0].name;
  for (const XyPlot& plot : xy_plots(c)) {
    CAPTURE(plot.id);
    const GnuplotFiles files = gnuplot_files(plot);
    size_t blocks = 1;
    for (size_t at = files.data.find("\n\n\n"); at != files.data.npos; at = files.data.find("\n\n\n", at + 3)) ++blocks;
    CHECK(blocks == plot.series.size() + (plot.front.empty() ? 0 : 1));
    CHECK(holds(files.script, " index " + std::to_string(blocks - 1) + " "));
    CHECK_FALSE(holds(files.script, " index " + std::to_string(blocks) + " "));
    CHECK(holds(files.script, "title 'it''s  date  "));
    CHECK_FALSE(holds(files.script, "`"));
    std::istringstream lines(files.data);
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) CHECK(std::count(line.begin(), line.end(), '\t') == 4);
    }
  }
  CHECK(holds(gnuplot_files(xy_plots(c)[0]).data, "cot\t300\t43.75\t"));
}

}  // namespace
}  // namespace tacit
