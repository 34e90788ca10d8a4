#include "eval/plot/gnuplot.h"

#include <algorithm>
#include <cstdio>

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
         ".svg'\nset datafile separator tab\nset title " + quoted(title) +
         "\nset grid ytics lc rgb '#dddddd' lt 1\nset border 3\nset tics nomirror\n";
}

std::string line_style(int64_t style) {
  return "lc rgb '" + std::string(kHex[colour_of(style)]) + "' dt " + std::to_string(style / kColours + 1);
}

std::string point_style(int64_t style) {
  return "lc rgb '" + std::string(kHex[colour_of(style)]) + "' pt " + std::to_string(kPointTypes[shape_of(style)]);
}

}  // namespace

// A block of data a series, two empty lines between blocks, as gnuplot's `index` counts them.
GnuplotFiles gnuplot_files(const XyPlot& plot) {
  GnuplotFiles out{plot.id, "# name\tx: " + field(plot.x_title) + "\ty: " + field(plot.y_title) + "\tlow\thigh\n", ""};
  std::string drawn, edges = "set key outside right\n";
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
  for (const PlotSeries& s : plot.series) {
    const std::string at = file + " index " + block(s);
    add(at + " using 2:3:4:5 with yerrorbars " + point_style(s.style) + " title " + quoted(s.name));
    if (plot.lines) add(at + " using 2:3 with lines " + line_style(s.style) + " notitle");
  }
  if (!plot.front.empty()) {
    const std::string at = file + " index " + block({"Pareto front", 0, plot.front});
    add(at + " using 2:3 with steps lc rgb '#777777' dt 2 title 'Pareto front'");
  }
  for (const ReferenceLine& r : plot.references) {
    top = std::max(top, r.y);
    add(number(r.y) + " with lines lc rgb '#999999' dt 3 title " + quoted(r.name + " " + number(r.y)));
  }
  out.script = head(plot.id, plot.title, 420) + edges + "set xlabel " + quoted(plot.x_title) + "\nset ylabel " +
               quoted(plot.y_title) + "\nset yrange [0:" + number(top > 50 || top <= 0 ? 100 : round_up(top)) +
               "]\nset offsets graph 0.05, graph 0.05, 0, 0\n" + (plot.log_x ? "set logscale x\n" : "") +
               (plot.whole_x ? "set xtics 1\n" : "") + drawn + "\n";
  return out;
}

GnuplotFiles gnuplot_files(const DotPlot& plot) {
  GnuplotFiles out{plot.id, "# name\tplace\tvalue: " + field(plot.x_title) + "\tlow\thigh\n", ""};
  std::string drawn, ticks;
  for (size_t i = 0; i < plot.rows.size(); ++i) {
    const DotRow& row = plot.rows[i];
    const std::string place = std::to_string(plot.rows.size() - i), name = field(row.name);
    if (i > 0) out.data += "\n\n";
    out.data += name + "\t" + place + "\t" + number(row.value) + "\t" + number(row.ci.low) + "\t" +
                number(row.ci.high) + "\n\n\n";
    for (const auto& [value, title] : row.dots) out.data += name + "\t" + place + "\t" + number(value) + "\n";
    const std::string file = "'" + plot.id + ".tsv' index ";
    drawn += std::string(drawn.empty() ? "plot " : ", \\\n     ") + file + std::to_string(2 * i) +
             " using 3:2:4:5 with xerrorbars lw 2 " + point_style(row.style) + " ps 0 notitle, \\\n     " + file +
             std::to_string(2 * i + 1) + " using 3:2 with points " + point_style(row.style) + " notitle";
    ticks += (ticks.empty() ? "" : ", ") + quoted(row.name) + " " + place;
  }
  for (size_t i = 0; i < plot.references.size(); ++i) {
    const ReferenceLine& r = plot.references[i];
    drawn += ", \\\n     '+' using (" + number(r.y) + "):($0 * " +
             number((static_cast<double>(plot.rows.size()) + .5) / 99) + " + .25) with lines lc rgb '#999999' dt " +
             std::to_string(3 + i) + " title " + quoted(r.name + " " + number(r.y));
  }
  out.script = head(plot.id, plot.title, 120 + 40 * static_cast<int>(plot.rows.size())) +
               "set key below\nset samples 100\nset xlabel " + quoted(plot.x_title) +
               "\nset xrange [0:100]\nset yrange [.5:" + number(static_cast<double>(plot.rows.size()) + .5) +
               "]\nset ytics (" + ticks + ")\n" + drawn + "\n";
  return out;
}

}  // namespace tacit
