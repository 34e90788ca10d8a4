#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/core/json.h"

namespace tacit::probe {

// A mean over `count` items with a 95 % interval.
struct Estimate {
  double mean = 0, low = 0, high = 0;
  int64_t count = 0;
};
// Bootstrap over items (eval/statistics.h); of nothing all zeros.
Estimate estimate(std::span<const double> values);
// The same of items that are 0 or 1.
Estimate estimate_share(std::span<const double> hits);
// A number that was not averaged: no width.
Estimate exact(double value, int64_t count = 1);
OrderedJson to_json(const Estimate& estimate);

// What a probe shows: points with intervals, a series for what is probed and one for each control.
struct ChartPoint {
  std::string x;  // name of its place on the axis
  Estimate y;
};
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;
};
struct Chart {
  std::string name;  // of its file: "auc"
  std::string title, x_label, y_label;
  std::vector<ChartSeries> series;
  std::optional<double> chance = {};  // a line across
  std::string chance_name = "chance";
  std::optional<double> least = {}, most = {};  // of the axis; else from the points
};
OrderedJson to_json(const Chart& chart);

// The places of the x axis in the order in which they first occur.
std::vector<std::string> places_of(const Chart& chart);

// A line for each series with points that rest on fewer than `whole` problems: "cot: of 600 problems thought 5 has 310,
// 6 has 241". What `beside` says of such a number stands behind it.
std::vector<std::string> fewer_problems(const Chart& chart, int64_t whole,
                                        const std::function<std::string(int64_t count)>& beside = {});

// Lowest and highest value that the axis shows.
std::pair<double, double> axis_range(const Chart& chart);

// One self-contained picture, width x height in pixels.
std::string svg(const Chart& chart, int width = 720, int height = 400);

// What a probe found. `json` holds every number, the charts those worth a picture.
struct ProbeReport {
  std::string name;
  OrderedJson json;
  std::vector<Chart> charts;
  std::vector<std::string> notes;  // what must be known to read it
};

}  // namespace tacit::probe
