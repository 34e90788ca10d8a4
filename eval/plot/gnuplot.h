#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/plot/dot_plot.h"
#include "eval/plot/xy_plot.h"

namespace tacit {

// A plot for gnuplot: NAME.tsv and a script NAME.gp that reads it and writes NAME-gnuplot.svg, run in their folder.
struct GnuplotFiles {
  std::string name, data, script;
};

GnuplotFiles gnuplot_files(const XyPlot& plot);
GnuplotFiles gnuplot_files(const DotPlot& plot);

}  // namespace tacit
