#include "apps/probe_picture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tacit {
namespace {

using probe::Chart;
using probe::ChartPoint;
using probe::ChartSeries;
using probe::Estimate;

constexpr int64_t kLeastCell = 13, kMostCell = 17, kMostName = 22;

std::string number(double value) {
  char text[32];
  const double size = std::abs(value);
  std::snprintf(text, sizeof text, size >= 1000 ? "%.3g" : (size >= 10 ? "%.1f" : "%.2f"), value);
  return text;
}

const ChartPoint* find(const ChartSeries& series, const std::string& x) {
  const auto at = std::ranges::find(series.points, x, &ChartPoint::x);
  return at == series.points.end() ? nullptr : &*at;
}

Tone tone_of(const Estimate& y, const Chart& chart) {
  if (!chart.chance) return Tone::plain;
  return y.low > *chart.chance ? Tone::good : (y.high < *chart.chance ? Tone::bad : Tone::dim);
}

struct Layout {
  int64_t name = 0, cell = kLeastCell;
  double low = 0, high = 1;
};

std::string value_cell(const Estimate& y, const Chart& chart, const Layout& layout, bool colour) {
  if (!std::isfinite(y.mean)) return pad("", layout.cell);
  const std::string text = number(y.mean);
  const int64_t columns = std::max<int64_t>(layout.cell - display_width(text) - 2, 1);
  const std::string length = bar((y.mean - layout.low) / (layout.high - layout.low), columns);
  return pad(text + " " + paint(length, tone_of(y, chart), colour), layout.cell);
}

std::string interval_cell(const Estimate& y, const Layout& layout) {
  if (!(y.high > y.low)) return pad("", layout.cell);
  return pad(number(y.low) + "–" + number(y.high), layout.cell);
}

std::string without_end_spaces(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

void add_panel(Lines& lines, const Chart& chart, const std::vector<std::string>& places, const Layout& layout,
               const RenderOptions& options) {
  std::string head = pad(chart.x_label, layout.name + 2);
  for (const std::string& place : places) head += pad(place, layout.cell);
  lines.push_back(paint(without_end_spaces(clip(head, options.width)), Tone::dim, options.colour));
  for (const ChartSeries& series : chart.series) {
    std::string values = pad(series.name, layout.name + 2), intervals = pad("", layout.name + 2);
    bool any = false, wide = false;
    for (const std::string& place : places) {
      const ChartPoint* point = find(series, place);
      any |= point != nullptr;
      wide |= point != nullptr && point->y.high > point->y.low;
      values += point ? value_cell(point->y, chart, layout, options.colour) : pad("", layout.cell);
      intervals += point ? interval_cell(point->y, layout) : pad("", layout.cell);
    }
    if (!any) continue;
    lines.push_back(without_end_spaces(clip(values, options.width)));
    if (wide) lines.push_back(paint(without_end_spaces(clip(intervals, options.width)), Tone::dim, options.colour));
  }
}

}  // namespace

Lines chart_picture(const Chart& chart, const RenderOptions& options) {
  Layout layout;
  std::tie(layout.low, layout.high) = probe::axis_range(chart);
  for (const ChartSeries& series : chart.series) layout.name = std::max(layout.name, display_width(series.name));
  layout.name = std::min(std::max(layout.name, display_width(chart.x_label)), kMostName);
  const std::vector<std::string> places = probe::places_of(chart);
  for (const std::string& place : places) layout.cell = std::clamp(display_width(place) + 2, layout.cell, kMostCell);
  const int64_t fit = std::max<int64_t>((options.width - layout.name - 2) / layout.cell, 1);
  Lines lines = {paint(clip(chart.title, options.width), Tone::bold, options.colour)};
  std::string unit = chart.y_label;
  if (chart.chance) unit += "; " + chart.chance_name + " " + number(*chart.chance);
  lines.push_back(paint(clip(unit, options.width), Tone::dim, options.colour));
  for (size_t begin = 0; begin < places.size(); begin += static_cast<size_t>(fit)) {
    const size_t end = std::min(places.size(), begin + static_cast<size_t>(fit));
    add_panel(lines, chart,
              {places.begin() + static_cast<std::ptrdiff_t>(begin), places.begin() + static_cast<std::ptrdiff_t>(end)},
              layout, options);
  }
  return lines;
}

Lines probe_picture(const probe::ProbeReport& report, const RenderOptions& options) {
  Lines lines;
  for (const Chart& chart : report.charts) {
    const Lines picture = chart_picture(chart, options);
    lines.insert(lines.end(), picture.begin(), picture.end());
    lines.emplace_back();
  }
  for (const std::string& note : report.notes) {
    for (const std::string& line : wrap_text(note, options.width))
      lines.push_back(paint(line, Tone::dim, options.colour));
  }
  return lines;
}

}  // namespace tacit
