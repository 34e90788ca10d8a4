#include "eval/report_plots.h"

#include <algorithm>
#include <map>

#include "eval/plot/markup.h"
#include "eval/report_columns.h"

namespace tacit {
namespace {

constexpr const char *kByFlops = "accuracy-flops", *kByMs = "accuracy-ms", *kByDepth = "accuracy-depth",
                     *kByThoughts = "accuracy-thoughts", *kBySeed = "accuracy-seeds";

Interval in_percent(const Interval& share) { return {100 * share.low, 100 * share.high}; }

std::string accuracy_text(double accuracy, const Interval& ci) {
  return percent_text(accuracy) + " % (" + percent_text(ci.low) + "–" + percent_text(ci.high) + ")";
}

std::vector<ReferenceLine> reference_lines(const Comparison& comparison) {
  std::vector<ReferenceLine> out;
  if (const Heuristic* chance = chance_rule(comparison)) out.push_back({"chance", 100 * chance->accuracy});
  if (const Heuristic* best = best_rule(comparison)) out.push_back({"rule: " + best->name, 100 * best->accuracy});
  return out;
}

// A unit in which the largest cost has one to three digits before the point.
std::pair<double, std::string> flops_unit(double most) {
  static const std::pair<double, const char*> kUnits[] = {{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  for (const auto& [size, prefix] : kUnits) {
    if (most >= size) return {size, std::string(prefix) + "FLOPs"};
  }
  return {1, "FLOPs"};
}

// No other point is at least as high for less.
std::vector<PlotPoint> cheapest(std::vector<PlotPoint> points) {
  std::ranges::stable_sort(points,
                           [](const PlotPoint& a, const PlotPoint& b) { return a.x != b.x ? a.x < b.x : a.y > b.y; });
  std::vector<PlotPoint> out;
  for (const PlotPoint& p : points) {
    if (out.empty() || p.y > out.back().y) out.push_back(p);
  }
  return out;
}

struct Cost {
  const char *id, *title, *per;
  double Metrics::*value;
};

// Rows whose cost is known; nothing where it is known of none.
std::vector<XyPlot> cost_plot(const Comparison& comparison, const Cost& cost) {
  double least = 1e300, most = 0;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    const double value = row->metrics.*cost.value;
    if (value > 0) least = std::min(least, value), most = std::max(most, value);
  }
  if (most <= 0) return {};
  const auto [size, unit] =
      cost.value == &Metrics::mean_flops ? flops_unit(most) : std::pair<double, std::string>{1, "ms"};
  XyPlot plot{.id = cost.id, .title = cost.title, .x_title = unit + cost.per, .y_title = "accuracy (%)"};
  plot.log_x = most / least > 8;
  plot.references = reference_lines(comparison);
  std::vector<PlotPoint> comparable;
  for (const ComparisonRow* row : plain_rows(comparison)) {
    const double value = row->metrics.*cost.value;
    if (value <= 0) continue;
    const Metrics& m = row->metrics;
    PlotPoint p{value / size, 100 * m.accuracy, in_percent(m.accuracy_ci),
                row->name + ": " + accuracy_text(m.accuracy, m.accuracy_ci) + ", " + significant_text(value / size) +
                    " " + unit + " a problem"};
    if (!row->off_front()) comparable.push_back(p);
    plot.series.push_back({row->name, style_of(comparison, row->name), {std::move(p)}});
  }
  if (comparable.size() > 1) plot.front = cheapest(std::move(comparable));
  return {std::move(plot)};
}

std::vector<XyPlot> depth_plot(const Comparison& comparison) {
  XyPlot plot{.id = kByDepth,
              .title = "Accuracy by depth",
              .x_title = "depth: steps from question to answer",
              .y_title = "accuracy (%)",
              .lines = true,
              .whole_x = true};
  for (const ComparisonRow* row : plain_rows(comparison)) {
    PlotSeries series{row->name, style_of(comparison, row->name), {}};
    for (const DepthAccuracy& d : row->metrics.accuracy_by_depth) {
      series.points.push_back({static_cast<double>(d.depth), 100 * d.accuracy, in_percent(d.accuracy_ci),
                               row->name + ", depth " + std::to_string(d.depth) + " (n " + std::to_string(d.examples) +
                                   "): " + accuracy_text(d.accuracy, d.accuracy_ci)});
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  if (plot.series.empty()) return {};
  plot.references = reference_lines(comparison);
  return {std::move(plot)};
}

std::vector<XyPlot> latents_plot(const Comparison& comparison) {
  XyPlot plot{.id = kByThoughts,
              .title = "Accuracy by number of thoughts",
              .x_title = "thoughts before the answer",
              .y_title = "accuracy (%)",
              .lines = true,
              .whole_x = true};
  for (const ComparisonRow* row : plain_rows(comparison)) {
    PlotSeries series{row->name, style_of(comparison, row->name), {}};
    for (const LatentsScore& l : row->by_latents) {
      series.points.push_back({static_cast<double>(l.latents), 100 * l.accuracy, in_percent(l.accuracy_ci),
                               row->name + ", " + std::to_string(l.latents) +
                                   (l.latents == 1 ? " thought: " : " thoughts: ") +
                                   accuracy_text(l.accuracy, l.accuracy_ci) + unsolved_text(l)});
    }
    if (!series.points.empty()) plot.series.push_back(std::move(series));
  }
  if (plot.series.empty()) return {};
  plot.references = reference_lines(comparison);
  return {std::move(plot)};
}

}  // namespace

std::vector<const ComparisonRow*> plain_rows(const Comparison& comparison) {
  std::vector<const ComparisonRow*> out;
  for (const ComparisonRow& row : comparison.rows) {
    if (!row.clean) out.push_back(&row);
  }
  return out;
}

std::string change_of(const ComparisonRow& row) {
  const std::string& clean = row.clean->against;
  if (row.name.size() <= clean.size() + 1 || !row.name.starts_with(clean)) return row.name;
  const char next = row.name[clean.size()];
  return next == ' ' ? row.name.substr(clean.size() + 1) : next == '+' ? row.name.substr(clean.size()) : row.name;
}

int64_t style_of(const Comparison& comparison, const std::string& name) {
  int64_t style = 0;
  for (const ComparisonRow& row : comparison.rows) {
    if (row.name == name) return row.clean ? style_of(comparison, row.clean->against) : style;
    if (!row.clean) ++style;
  }
  return 0;
}

const Heuristic* chance_rule(const Comparison& comparison) {
  const auto found = std::ranges::find_if(comparison.heuristics, [](const Heuristic& h) { return h.decided == 0; });
  return found == comparison.heuristics.end() ? nullptr : &*found;
}

const Heuristic* best_rule(const Comparison& comparison) {
  const Heuristic* best = nullptr;
  for (const Heuristic& h : comparison.heuristics) {
    if (h.decided > 0 && (best == nullptr || h.accuracy > best->accuracy)) best = &h;
  }
  return best;
}

std::vector<std::string> plot_ids() { return {kByFlops, kByMs, kByDepth, kByThoughts, kBySeed}; }

std::vector<XyPlot> xy_plots(const Comparison& comparison) {
  std::vector<XyPlot> out =
      cost_plot(comparison, {kByFlops, "Accuracy against computation", " a problem, mean", &Metrics::mean_flops});
  std::ranges::move(
      cost_plot(comparison, {kByMs, "Accuracy against time", " a problem by itself, median", &Metrics::ms_median}),
      std::back_inserter(out));
  std::ranges::move(depth_plot(comparison), std::back_inserter(out));
  std::ranges::move(latents_plot(comparison), std::back_inserter(out));
  return out;
}

std::vector<DotPlot> seed_plots(const Comparison& comparison) {
  DotPlot plot{.id = kBySeed, .title = "Accuracy by seed", .x_title = "accuracy (%)"};
  for (const ComparisonRow* row : plain_rows(comparison)) {
    if (row->seeds.empty()) continue;
    const Metrics& m = row->metrics;
    DotRow out{row->name,
               style_of(comparison, row->name),
               100 * m.accuracy,
               in_percent(m.accuracy_ci),
               row->name + ", all seeds: " + accuracy_text(m.accuracy, m.accuracy_ci),
               {}};
    for (const SeedScore& s : row->seeds) {
      const double share = s.examples == 0 ? 0 : static_cast<double>(s.correct) / static_cast<double>(s.examples);
      out.dots.emplace_back(100 * share, row->name + ", seed " + std::to_string(s.seed) + ": " + percent_text(share) +
                                             " % (" + std::to_string(s.correct) + " of " + std::to_string(s.examples) +
                                             ")");
    }
    plot.rows.push_back(std::move(out));
  }
  if (plot.rows.empty()) return {};
  plot.references = reference_lines(comparison);
  return {std::move(plot)};
}

}  // namespace tacit
