#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/statistics.h"

namespace tacit {

struct PlotPoint {
  double x = 0, y = 0;  // y in percent
  std::optional<Interval> ci;
  std::string title;  // shown when pointed at
};

struct PlotSeries {
  std::string name;
  int64_t style = 0;  // colour and shape, the same for a row in every plot
  std::vector<PlotPoint> points;
};

// A horizontal line: chance, or what a rule scores.
struct ReferenceLine {
  std::string name;
  double y = 0;
};

// Percent against a number, as points with names beside them or as lines. The same data are drawn here as SVG and
// handed to gnuplot (eval/plot/gnuplot.h).
struct XyPlot {
  std::string id;  // of files and anchors
  std::string title, x_title, y_title;
  bool lines = false;  // along x within a series, series dodged so that their intervals stay apart
  bool log_x = false;
  bool whole_x = false;            // ticks at the values of the points: depths, numbers of thoughts
  std::vector<PlotSeries> series;  // at least one point in all
  std::vector<ReferenceLine> references;
  std::vector<PlotPoint> front;  // of least x for their y, by rising x; drawn as stairs
};

// One <svg> element. Colours are classes s0 .. s6 and custom properties of the page around it (eval/report_html).
std::string svg(const XyPlot& plot);

}  // namespace tacit
