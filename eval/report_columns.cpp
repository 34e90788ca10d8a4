#include "eval/report_columns.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace tacit {
namespace {

const std::string kNone = "–";

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string percent(double share) { return fixed(100 * share, 1); }

// Three digits or so, whatever the size; 0 = not measured.
std::string measured(double value) {
  if (value <= 0) return kNone;
  return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string p_text(double p) {
  if (p < 1e-4) return "<.0001";
  const std::string text = fixed(p, p < .01 ? 4 : 3);
  return text[0] == '0' ? text.substr(1) : text;
}

}  // namespace

std::vector<ReportColumn> report_columns(const Comparison& comparison) {
  const std::vector<ComparisonRow>& rows = comparison.rows;
  const auto column = [&](std::string head, int importance, auto&& cell) {
    ReportColumn out{.head = std::move(head), .cells = {}, .importance = importance};
    for (const ComparisonRow& row : rows) out.cells.push_back(cell(row));
    return out;
  };
  std::vector<ReportColumn> out;
  out.push_back(column("model", 10, [](const ComparisonRow& r) { return r.name; }));
  out.back().right = false;
  if (std::any_of(rows.begin(), rows.end(), [](const ComparisonRow& r) { return r.name != r.metrics.method; })) {
    out.push_back(column("method", 5, [](const ComparisonRow& r) { return r.metrics.method; }));
    out.back().right = false;
  }
  out.push_back(column("accuracy %", 10, [](const ComparisonRow& r) { return percent(r.metrics.accuracy); }));
  out.push_back(column("95 % CI", 7, [](const ComparisonRow& r) {
    return percent(r.metrics.accuracy_ci.low) + "–" + percent(r.metrics.accuracy_ci.high);
  }));
  if (!comparison.baseline.empty()) {
    out.push_back(column("p vs " + comparison.baseline, 9, [&](const ComparisonRow& r) {
      return r.name == comparison.baseline ? kNone : p_text(r.p_value);
    }));
  }
  if (std::any_of(rows.begin(), rows.end(), [](const ComparisonRow& r) { return r.clean.has_value(); })) {
    out.push_back(
        column("p vs clean", 9, [](const ComparisonRow& r) { return r.clean ? p_text(r.clean->p_value) : kNone; }));
  }
  out.push_back(column("steps", 6, [](const ComparisonRow& r) { return fixed(r.metrics.mean_steps, 1); }));
  if (std::any_of(rows.begin(), rows.end(), [](const ComparisonRow& r) { return r.metrics.cut_off > 0; })) {
    out.push_back(column("cut off %", 5, [](const ComparisonRow& r) {
      return percent(static_cast<double>(r.metrics.cut_off) / static_cast<double>(r.metrics.examples));
    }));
  }
  out.push_back(column("tokens", 3, [](const ComparisonRow& r) { return fixed(r.metrics.mean_tokens, 1); }));
  out.push_back(column("ms/problem", 8, [](const ComparisonRow& r) { return measured(r.metrics.ms_median); }));
  out.push_back(column("p95", 2, [](const ComparisonRow& r) { return measured(r.metrics.ms_p95); }));
  out.push_back(column("problems/s", 4, [](const ComparisonRow& r) { return measured(r.metrics.problems_per_s); }));
  return out;
}

std::vector<ReportColumn> depth_columns(const Comparison& comparison) {
  std::map<int64_t, int64_t> depths;  // and their problems, the same ones in every row
  for (const ComparisonRow& row : comparison.rows) {
    for (const DepthAccuracy& d : row.metrics.accuracy_by_depth) depths[d.depth] = d.examples;
  }
  if (depths.empty()) return {};
  std::vector<ReportColumn> out{{.head = "accuracy % by depth", .cells = {}, .right = false}};
  for (const ComparisonRow& row : comparison.rows) out[0].cells.push_back(row.name);
  for (const auto& [depth, examples] : depths) {
    ReportColumn column{.head = std::to_string(depth) + " (n " + std::to_string(examples) + ")", .cells = {}};
    for (const ComparisonRow& row : comparison.rows) {
      const auto& by_depth = row.metrics.accuracy_by_depth;
      const auto found = std::find_if(by_depth.begin(), by_depth.end(),
                                      [depth = depth](const DepthAccuracy& d) { return d.depth == depth; });
      column.cells.push_back(found == by_depth.end() ? kNone : percent(found->accuracy));
    }
    out.push_back(std::move(column));
  }
  return out;
}

std::string heuristics_text(const Comparison& comparison) {
  std::string text;
  for (const Heuristic& h : comparison.heuristics) {
    text +=
        (text.empty() ? "label-blind rules on the same problems: " : ", ") + h.name + " " + percent(h.accuracy) + " %";
  }
  return text;
}

std::string report_title(const Comparison& comparison) {
  return comparison.title + ", " + std::to_string(comparison.examples) +
         (comparison.examples == 1 ? " problem" : " problems");
}

}  // namespace tacit
