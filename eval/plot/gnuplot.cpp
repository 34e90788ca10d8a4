#include "eval/plot/gnuplot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "eval/plot/axis.h"
#include "eval/plot/marks.h"
#include "eval/sample.h"

namespace tacit {
namespace {

// Okabe and Ito's, in the order of the page's classes s0 .. s6.
constexpr const char* kHex[kColours] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
constexpr int kPointTypes[kShapes] = {7, 5, 9, 13, 11, 1, 2};  // gnuplot's numbers of our shapes

// One line, without what separates fields.
std::string field(const std::string& text) {
  std::string out = valid_utf8(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '"') c = ' ';
  }
  return out;
}

// Between single quotes gnuplot replaces nothing; the quote itself is doubled.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : field(text)) out += c == '\'' ? std::string("''") : std::string(1, c == '`' ? ' ' : c);
  return out + "'";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

std::string head(const std::string& id, const std::string& title, int height) {
  return "# gnuplot " + id + ".gp, in this folder\nset terminal svg size 640," + std::to_string(height) +
         " noenhanced font 'Helvetica,13' background '#ffffff'\nset output '" + id +
         "-gnuplot.svg'\nset datafile separator tab\nset title " + quoted(title) +
         "\nset grid ytics lc rgb '#dddddd' lt 1\nset border 3\nset tics nomirror\n";
}

std::string line_style(int64_t style) {
  return "lc rgb '" + std::string(kHex[colour_of(style)]) + "' dt " + std::to_string(style / kColours + 1);
}

std::string point_style(int64_t style) {
  return "lc rgb '" + std::string(kHex[colour_of(style)]) + "' pt " + std::to_string(kPointTypes[shape_of(style)]);
}

// A line across the plot with its name at the end of it.
std::string horizontal_line(const ReferenceLine& r) {
  const std::string y = number(r.y);
  return "set arrow from graph 0, first " + y + " to graph 1, first " + y +
         " nohead lc rgb '#777777' dt 3\nset label " + quoted(r.name + " " + y) + " at graph 1, first " + y +
         " left offset .6, 0 font ',10' tc rgb '#555555'\n";
}

std::string vertical_line(const ReferenceLine& r, size_t level) {
  const std::string x = number(r.y);
  return "set arrow from " + x + ", graph 0 to " + x + ", graph 1 nohead lc rgb '#777777' dt 3\nset label " +
         quoted(r.name + " " + x) + " at " + x + ", graph 1 center offset 0, " +
         number(.6 + 1. * static_cast<double>(level)) + " font ',10' tc rgb '#555555'\n";
}

// Range and ticks along x; the distance by which series of lines stand apart.
struct XAxis {
  std::string commands;
  double dodge = 0;
};

XAxis x_axis(const XyPlot& plot) {
  std::set<double> values;
  for (const PlotSeries& s : plot.series) {
    for (const PlotPoint& p : s.points) values.insert(p.x);
  }
  double low = *values.begin(), high = *values.rbegin(), least = high > low ? high - low : 1;
  for (auto it = values.begin(); std::next(it) != values.end(); ++it) least = std::min(least, *std::next(it) - *it);
  XAxis out;
  if (plot.log_x) {
    low /= 1.2, high *= 1.2;
  } else {
    const double pad = high > low ? .08 * (high - low) : std::max(.5, .1 * std::abs(high));
    low -= pad, high += pad;
  }
  out.commands = "set xrange [" + number(low) + ":" + number(high) + "]\n" + (plot.log_x ? "set logscale x\n" : "");
  std::vector<double> at = plot.log_x ? log_ticks(low, high) : std::vector<double>{};
  if (plot.whole_x) at.assign(values.begin(), values.end());
  std::string ticks;
  for (const double value : at) ticks += (ticks.empty() ? "" : ", ") + number(value);
  if (!ticks.empty()) out.commands += "set xtics (" + ticks + ")\n";
  if (plot.lines) out.dodge = std::min(.5 * least, .04 * (high - low)) / static_cast<double>(plot.series.size());
  return out;
}

}  // namespace

// A block of data a series, two empty lines between blocks, as gnuplot's `index` counts them.
GnuplotFiles gnuplot_files(const XyPlot& plot) {
  GnuplotFiles out{plot.id, "# name\tx: " + field(plot.x_title) + "\ty: " + field(plot.y_title) + "\tlow\thigh\n", ""};
  std::string drawn;
  size_t index = 0;
  double top = 0;
  const auto block = [&](const PlotSeries& s) {
    if (index > 0) out.data += "\n\n";
    for (const PlotPoint& p : s.points) {
      const Interval ci = p.ci.value_or(Interval{p.y, p.y});
      top = std::max({top, p.y, ci.high});
      out.data += field(s.name) + "\t" + number(p.x) + "\t" + number(p.y) + "\t" + number(ci.low) + "\t" +
                  number(ci.high) + "\n";
    }
    return std::to_string(index++);
  };
  const auto add = [&](const std::string& what) { drawn += (drawn.empty() ? "plot " : ", \\\n     ") + what; };
  const std::string file = "'" + plot.id + ".tsv'";
  const XAxis axis = x_axis(plot);
  const auto count = static_cast<double>(plot.series.size());
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const PlotSeries& s = plot.series[i];
    const std::string at = file + " index " + block(s);
    const double shift = (static_cast<double>(i) - (count - 1) / 2) * axis.dodge;
    const std::string x = axis.dodge == 0 ? "2" : "($2 + " + number(shift) + ")";
    add(at + " using " + x + ":3:4:5 with yerrorbars " + point_style(s.style) + " title " + quoted(s.name));
    if (plot.lines) add(at + " using " + x + ":3 with lines " + line_style(s.style) + " notitle");
  }
  if (!plot.front.empty()) {
    const std::string at = file + " index " + block({"Pareto front", 0, plot.front});
    add(at + " using 2:3 with steps lc rgb '#777777' dt 2 title 'Pareto front'");
  }
  std::string references;
  for (const ReferenceLine& r : plot.references) {
    top = std::max(top, r.y);
    references += horizontal_line(r);
  }
  out.script = head(plot.id, plot.title, 400 + 20 * static_cast<int>(index)) +
               (plot.references.empty() ? "" : "set rmargin 26\n") + "set key below samplen 2\nset xlabel " +
               quoted(plot.x_title) + "\nset ylabel " + quoted(plot.y_title) +
               "\nset yrange [0:" + number(top > 50 || top <= 0 ? 100 : round_up(top)) + "]\n" + axis.commands +
               references + drawn + "\n";
  return out;
}

GnuplotFiles gnuplot_files(const DotPlot& plot) {
  GnuplotFiles out{plot.id, "# name\tplace\tvalue: " + field(plot.x_title) + "\tlow\thigh\n", ""};
  std::string drawn, ticks, references;
  for (size_t i = 0; i < plot.rows.size(); ++i) {
    const DotRow& row = plot.rows[i];
    const std::string place = std::to_string(plot.rows.size() - i), name = field(row.name);
    if (i > 0) out.data += "\n\n";
    out.data += name + "\t" + place + "\t" + number(row.value) + "\t" + number(row.ci.low) + "\t" +
                number(row.ci.high) + "\n\n\n";
    for (const auto& [value, title] : row.dots) out.data += name + "\t" + place + "\t" + number(value) + "\n";
    const std::string file = "'" + plot.id + ".tsv' index ";
    drawn += std::string(drawn.empty() ? "plot " : ", \\\n     ") + file + std::to_string(2 * i) +
             " using 3:2:4:5 with xerrorbars lw 2 " + point_style(row.style) + " ps .1 notitle, \\\n     " + file +
             std::to_string(2 * i + 1) + " using 3:2 with points " + point_style(row.style) + " notitle";
    ticks += (ticks.empty() ? "" : ", ") + quoted(row.name) + " " + place;
  }
  for (size_t i = 0; i < plot.references.size(); ++i) references += vertical_line(plot.references[i], i);
  out.script = head(plot.id, plot.title, 160 + 40 * static_cast<int>(plot.rows.size())) +
               "set title offset 0, 1.6\nset tmargin 5\nset xlabel " + quoted(plot.x_title) +
               "\nset xrange [0:100]\nset yrange [.5:" + number(static_cast<double>(plot.rows.size()) + .5) +
               "]\nset ytics (" + ticks + ")\n" + references + drawn + "\n";
  return out;
}

}  // namespace tacit
