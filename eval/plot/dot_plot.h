#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/plot/xy_plot.h"

namespace tacit {

// A line a row: single values as small dots, their pooled value with its interval beneath them.
struct DotRow {
  std::string name;
  int64_t style = 0;
  double value = 0;  // percent
  Interval ci;
  std::string title;                                 // of the pooled value
  std::vector<std::pair<double, std::string>> dots;  // percent, title
};

struct DotPlot {
  std::string id, title, x_title;
  std::vector<DotRow> rows;
  std::vector<ReferenceLine> references;
};

std::string svg(const DotPlot& plot);

}  // namespace tacit
