#pragma once

#include <string>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// One column of a report's table, the same for every form of the report.
struct ReportColumn {
  std::string head;
  std::vector<std::string> cells;  // one a row; "–" = not measured or not applicable
  bool right = true;               // aligned at the right
  int importance = 10;             // a narrow terminal drops the lowest first; 10 stays
};

// Model, method (unless it only repeats the model's name), accuracy, interval, p, steps, tokens, ms a problem, p95,
// problems/s.
std::vector<ReportColumn> report_columns(const Comparison& comparison);
// Accuracy by depth: a column of names, then one a depth; empty when no run has depths.
std::vector<ReportColumn> depth_columns(const Comparison& comparison);
// "label-blind rules on the same problems: lower in-degree 50.0 %, .." or "".
std::string heuristics_text(const Comparison& comparison);
// "prosqa, 300 problems"
std::string report_title(const Comparison& comparison);

}  // namespace tacit
