#include "eval/probe/chart.h"

#include <algorithm>
#include <cmath>

#include "eval/statistics.h"

namespace tacit::probe {
namespace {

// Enough for limits to two digits; probes take hundreds of intervals.
constexpr int64_t kResamples = 1000;

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

Estimate estimate(std::span<const double> values) {
  if (values.empty()) return {};
  const Interval interval = bootstrap_mean(values, .95, kResamples);
  return {mean_of(values), interval.low, interval.high, std::ssize(values)};
}

Estimate estimate_share(std::span<const double> hits) {
  if (hits.empty()) return {};
  const double mean = mean_of(hits);
  if (mean > 0 && mean < 1) return estimate(hits);
  const Interval interval = share_interval(hits);
  return {mean, interval.low, interval.high, std::ssize(hits)};
}

Estimate exact(double value, int64_t count) { return {value, value, value, count}; }

OrderedJson to_json(const Estimate& e) {
  return {{"mean", e.mean}, {"low", e.low}, {"high", e.high}, {"count", e.count}};
}

OrderedJson to_json(const Chart& chart) {
  OrderedJson series = OrderedJson::array();
  for (const ChartSeries& s : chart.series) {
    OrderedJson points = OrderedJson::array();
    for (const ChartPoint& point : s.points) {
      OrderedJson one = {{"x", point.x}};
      one.update(to_json(point.y));
      points.push_back(one);
    }
    series.push_back({{"name", s.name}, {"points", points}});
  }
  OrderedJson out = {
      {"name", chart.name}, {"title", chart.title}, {"x", chart.x_label}, {"y", chart.y_label}, {"series", series}};
  if (chart.chance) out["chance"] = *chart.chance;
  return out;
}

std::vector<std::string> places_of(const Chart& chart) {
  std::vector<std::string> out;
  for (const ChartSeries& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      if (std::ranges::find(out, point.x) == out.end()) out.push_back(point.x);
    }
  }
  return out;
}

std::vector<std::string> fewer_problems(const Chart& chart, int64_t whole,
                                        const std::function<std::string(int64_t count)>& beside) {
  std::vector<std::string> out;
  for (const ChartSeries& series : chart.series) {
    std::string text;
    for (const ChartPoint& point : series.points) {
      if (point.y.count >= whole) continue;
      text += (text.empty() ? " " + chart.x_label + " " : ", ") + point.x + " has " + std::to_string(point.y.count);
      if (beside) text += beside(point.y.count);
    }
    if (!text.empty()) out.push_back(series.name + ": of " + std::to_string(whole) + " problems" + text);
  }
  return out;
}

std::pair<double, double> axis_range(const Chart& chart) {
  double low = chart.chance.value_or(0), high = chart.chance.value_or(0);
  for (const ChartSeries& series : chart.series) {
    for (const ChartPoint& point : series.points) {
      for (const double y : {point.y.low, point.y.high, point.y.mean}) {
        if (!std::isfinite(y)) continue;
        low = std::min(low, y);
        high = std::max(high, y);
      }
    }
  }
  low = chart.least.value_or(std::min(low, 0.0));
  high = chart.most.value_or(high);
  return {low, high > low ? high : low + 1};
}

}  // namespace tacit::probe
