#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>

#include "eval/plot/markup.h"
#include "eval/probe/chart.h"

namespace tacit::probe {
namespace {

constexpr std::array<const char*, 8> kColours = {"#1b6ca8", "#d1495b", "#66a182", "#edae49",
                                                 "#7a5195", "#444444", "#00798c", "#a05a2c"};  // apart in grey, too

std::string label(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string text_at(double x, double y, const std::string& text, const char* anchor, const std::string& more = "") {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" +
         escape_markup(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return "<line x1=\"" + coordinate(x1) + "\" y1=\"" + coordinate(y1) + "\" x2=\"" + coordinate(x2) + "\" y2=\"" +
         coordinate(y2) + "\" " + style + "/>\n";
}

// 1, 2 or 5 times a power of ten, about `count` steps.
double tick_step(double span, int count) {
  const double raw = span / count, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

struct Frame {
  double left, right, top, bottom, low, high;
  double y(double value) const {
    const double share = (std::clamp(value, low, high) - low) / (high - low);
    return bottom - share * (bottom - top);
  }
};

std::string axes(const Chart& chart, const Frame& f, const std::vector<std::string>& places, double step) {
  std::string out;
  const double tick = tick_step(f.high - f.low, 5);
  for (double value = std::ceil(f.low / tick) * tick; value <= f.high + tick * 1e-9; value += tick) {
    const double y = f.y(value);
    out += line(f.left, y, f.right, y, "stroke=\"#e4e4e4\"");
    out += text_at(f.left - 6, y + 4, label(std::abs(value) < tick * 1e-9 ? 0 : value), "end");
  }
  out += line(f.left, f.top, f.left, f.bottom, "stroke=\"#888\"") +
         line(f.left, f.bottom, f.right, f.bottom, "stroke=\"#888\"");
  const bool narrow = step < 46;  // long names would run into each other
  for (size_t i = 0; i < places.size(); ++i) {
    const double x = f.left + (static_cast<double>(i) + .5) * step;
    if (narrow && places[i].size() > 4) {
      const std::string turn = " transform=\"rotate(-35 " + coordinate(x) + " " + coordinate(f.bottom + 14) + ")\"";
      out += text_at(x, f.bottom + 14, places[i], "end", turn);
    } else {
      out += text_at(x, f.bottom + 16, places[i], "middle");
    }
  }
  out += text_at((f.left + f.right) / 2, f.bottom + 36, chart.x_label, "middle");
  const std::string turn = " transform=\"rotate(-90 16 " + coordinate((f.top + f.bottom) / 2) + ")\"";
  out += text_at(16, (f.top + f.bottom) / 2, chart.y_label, "middle", turn);
  if (chart.chance) {
    const double y = f.y(*chart.chance);
    out += line(f.left, y, f.right, y, "stroke=\"#333\" stroke-dasharray=\"5 4\"");
  }
  return out;
}

// Lines join the places of a numbered axis; between names there is nothing.
bool numbered(const std::vector<std::string>& places) {
  return !places.empty() && places[0].find_first_not_of("0123456789.") == std::string::npos;
}

std::string series_marks(const ChartSeries& series, const Frame& f, const std::map<std::string, size_t>& place,
                         double step, double shift, const char* colour, bool joined) {
  std::string path, marks;
  for (const ChartPoint& point : series.points) {
    if (!std::isfinite(point.y.mean)) continue;
    const double x = f.left + (static_cast<double>(place.at(point.x)) + .5) * step + shift, y = f.y(point.y.mean);
    path += (path.empty() ? "" : " ") + coordinate(x) + "," + coordinate(y);
    const std::string stroke = std::string("stroke=\"") + colour + "\"";
    if (point.y.high > point.y.low) marks += line(x, f.y(point.y.low), x, f.y(point.y.high), stroke);
    marks += "<circle cx=\"" + coordinate(x) + "\" cy=\"" + coordinate(y) + "\" r=\"3.5\" fill=\"" + colour + "\"/>\n";
  }
  if (!joined) return marks;
  return "<polyline points=\"" + path + "\" fill=\"none\" stroke=\"" + colour +
         "\" stroke-width=\"1.5\" stroke-opacity=\".6\"/>\n" + marks;
}

}  // namespace

std::string svg(const Chart& chart, int width, int height) {
  const auto [low, high] = axis_range(chart);
  size_t longest = chart.chance ? chart.chance_name.size() : 0;
  for (const ChartSeries& series : chart.series) longest = std::max(longest, series.name.size());
  const double legend = std::max(120.0, 44 + 6.6 * static_cast<double>(longest));  // a letter's width, about
  const Frame f{64, width - legend, 40, height - 56.0, low, high};
  const std::vector<std::string> places = places_of(chart);
  std::map<std::string, size_t> place;
  for (size_t i = 0; i < places.size(); ++i) place[places[i]] = i;
  const double step = (f.right - f.left) / static_cast<double>(std::max<size_t>(places.size(), 1));
  const std::string w = std::to_string(width), h = std::to_string(height);
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + w + "\" height=\"" + h +
                    "\" viewBox=\"0 0 " + w + " " + h +
                    "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n" + "<rect width=\"" + w +
                    "\" height=\"" + h + "\" fill=\"#fff\"/>\n";
  out += text_at(f.left, 22, chart.title, "start", " font-size=\"14\" font-weight=\"bold\"");
  out += axes(chart, f, places, step);
  const double count = static_cast<double>(chart.series.size());
  const double apart = std::min(7.0, step * .6 / std::max(count, 1.0));  // so that intervals do not hide each other
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const char* colour = kColours[s % kColours.size()];
    out += series_marks(chart.series[s], f, place, step, (static_cast<double>(s) - (count - 1) / 2) * apart, colour,
                        numbered(places));
    const double y = f.top + 8 + 18 * static_cast<double>(s);
    out += "<rect x=\"" + coordinate(f.right + 14) + "\" y=\"" + coordinate(y - 9) +
           "\" width=\"10\" height=\"10\" fill=\"" + colour + "\"/>\n";
    out += text_at(f.right + 30, y, chart.series[s].name, "start");
  }
  if (chart.chance) {
    const double y = f.top + 8 + 18 * count;
    out += line(f.right + 12, y - 4, f.right + 26, y - 4, "stroke=\"#333\" stroke-dasharray=\"5 4\"");
    out += text_at(f.right + 30, y, chart.chance_name, "start");
  }
  return out + "</svg>\n";
}

}  // namespace tacit::probe
