#include "eval/plot/xy_plot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "eval/plot/axis.h"
#include "eval/plot/labels.h"
#include "eval/plot/marks.h"
#include "eval/plot/markup.h"

namespace tacit {
namespace {

constexpr double kWidth = 520, kHeight = 330, kLeft = 50, kTop = 14, kBottom = 48, kFont = 13;
constexpr int64_t kLabel = 22;  // characters

// Everything that stands on the same axes.
struct Frame {
  Scale x, y;
  double right = 0;  // end of the plot's area
};

constexpr double kSmall = 11.5;

std::string reference_text(const ReferenceLine& r) { return r.name + " " + fixed_text(r.y, 1); }

double label_margin(const XyPlot& plot) {
  if (!plot.lines) return 14;
  double most = 0;
  for (const PlotSeries& s : plot.series) most = std::max(most, text_width(shortened(s.name, kLabel), kFont));
  for (const ReferenceLine& r : plot.references) most = std::max(most, text_width(reference_text(r), kSmall));
  return std::min(most + 40, .38 * kWidth);
}

Frame make_frame(const XyPlot& plot) {
  double low = 1e300, high = -1e300, top = 0;
  for (const PlotSeries& s : plot.series) {
    for (const PlotPoint& p : s.points) {
      low = std::min(low, p.x), high = std::max(high, p.x);
      top = std::max({top, p.y, p.ci ? p.ci->high : 0});
    }
  }
  for (const ReferenceLine& r : plot.references) top = std::max(top, r.y);
  if (plot.log_x) {
    const double pad = std::pow(high / low, .07);
    low /= pad, high *= pad;
  } else {
    const double pad = high > low ? (plot.lines ? .1 : .07) * (high - low) : std::max(.5, .1 * std::abs(high));
    low -= pad, high += pad;
  }
  Frame frame;
  frame.right = kWidth - label_margin(plot);
  frame.x = {low, high, kLeft, frame.right, plot.log_x};
  frame.y = {0, top > 50 || top <= 0 ? 100 : round_up(top), kHeight - kBottom, kTop, false};
  return frame;
}

std::vector<double> x_ticks(const XyPlot& plot, const Frame& frame) {
  if (!plot.whole_x)
    return plot.log_x ? log_ticks(frame.x.low, frame.x.high) : linear_ticks(frame.x.low, frame.x.high, 5);
  std::set<double> all;
  for (const PlotSeries& s : plot.series) {
    for (const PlotPoint& p : s.points) all.insert(p.x);
  }
  std::vector<double> out;
  for (const double value : all) {  // those that have room for their text
    if (out.empty() || frame.x(value) - frame.x(out.back()) > 20) out.push_back(value);
  }
  return out;
}

std::string axes(const XyPlot& plot, const Frame& frame) {
  std::string out;
  const double bottom = frame.y.begin, middle = (kLeft + frame.right) / 2;
  for (const double tick : linear_ticks(frame.y.low, frame.y.high, 5)) {
    const double y = frame.y(tick);
    out += line_mark(kLeft, y, frame.right, y, tick == 0 ? "axis" : "grid");
    out += text_mark(kLeft - 7, y + 4.5, tick_text(tick), "tick", "end");
  }
  for (const double tick : x_ticks(plot, frame)) {
    out += line_mark(frame.x(tick), bottom, frame.x(tick), bottom + 4, "axis");
    out += text_mark(frame.x(tick), bottom + 18, tick_text(tick), "tick", "middle");
  }
  out += text_mark(middle, kHeight - 8, plot.x_title, "title", "middle");
  out += "<text class=\"title\" text-anchor=\"middle\" transform=\"translate(13 " + coordinate((kTop + bottom) / 2) +
         ") rotate(-90)\">" + escape_markup(plot.y_title) + "</text>";
  return out;
}

// Along its line, above or below, wherever least is covered.
Box reference_box(const ReferenceLine& r, const Frame& frame, const std::vector<Box>& taken) {
  const double width = text_width(reference_text(r), kSmall), y = frame.y(r.y);
  const double room = std::max(0., frame.right - kLeft - width - 8);
  Box best;
  double least = std::numeric_limits<double>::max();
  for (const double along : {0., 1., .5, .25, .75}) {
    for (const double top : {y - 15, y + 2}) {
      const double left = kLeft + 4 + along * room;
      const Box box{left, top, left + width, top + 13};
      double cost = top < kTop - 6 || top + 13 > frame.y.begin ? 1e4 : 0;
      for (const Box& other : taken) cost += overlap(box, other);
      if (cost < least - 1e-9) least = cost, best = box;
    }
  }
  return best;
}

std::string reference_lines(const XyPlot& plot, const Frame& frame) {
  std::string out;
  for (const ReferenceLine& r : plot.references)
    out += line_mark(kLeft, frame.y(r.y), frame.right, frame.y(r.y), "ref");
  return out;
}

std::string stairs(const XyPlot& plot, const Frame& frame) {
  if (plot.front.empty()) return "";
  std::string d = "M" + coordinate(frame.x(plot.front[0].x)) + " " + coordinate(frame.y(plot.front[0].y));
  for (const PlotPoint& p : plot.front) d += "H" + coordinate(frame.x(p.x)) + "V" + coordinate(frame.y(p.y));
  d += "H" + coordinate(frame.right);
  return titled("Pareto front", "front", "<path d=\"" + d + "\"/>");
}

std::string whisker(const PlotPoint& p, double x, const Frame& frame, int64_t style, bool faint = false) {
  if (!p.ci) return "";
  const std::string css = (faint ? "ci many s" : "ci s") + std::to_string(colour_of(style));
  return line_mark(x, frame.y(p.ci->low), x, frame.y(p.ci->high), css);
}

// What labels should not cover: the front's stairs and the lines' texts, which are placed on the way.
std::string draw_references(const XyPlot& plot, const Frame& frame, std::vector<Box>& taken) {
  std::string out;
  for (size_t i = 0; i < plot.front.size(); ++i) {
    const double x = frame.x(plot.front[i].x), y = frame.y(plot.front[i].y);
    const bool last = i + 1 == plot.front.size();
    const double next_x = last ? frame.right : frame.x(plot.front[i + 1].x);
    taken.push_back({x, y - 2, next_x, y + 2});
    if (!last) taken.push_back({next_x - 2, frame.y(plot.front[i + 1].y), next_x + 2, y});
  }
  for (const ReferenceLine& r : plot.references) {
    const Box box = reference_box(r, frame, taken);
    taken.push_back(box);
    out += text_mark(box.left, box.bottom - 3, reference_text(r), "reftext");
  }
  return out;
}

std::string draw_points(const XyPlot& plot, const Frame& frame) {
  std::string whiskers, marks, texts;
  std::vector<Box> taken;
  std::vector<std::pair<double, double>> at;
  std::vector<double> widths;
  for (const PlotSeries& s : plot.series) {
    for (const PlotPoint& p : s.points) {
      const double x = frame.x(p.x), y = frame.y(p.y);
      at.emplace_back(x, y);
      widths.push_back(text_width(shortened(s.name, kLabel), kFont));
      taken.push_back({x - 6, y - 6, x + 6, y + 6});
      if (p.ci) taken.push_back({x - 1.5, frame.y(p.ci->high), x + 1.5, frame.y(p.ci->low)});
      whiskers += whisker(p, x, frame, s.style);
      marks += titled(p.title, "point", marker(s.style, x, y));
    }
  }
  texts += draw_references(plot, frame, taken);
  const Box area{kLeft + 2, kTop - 8, frame.right + 10, frame.y.begin - 2};
  const std::vector<PlacedLabel> labels = place_labels(at, widths, kFont + 1, area, std::move(taken));
  size_t i = 0;
  std::string leaders;
  for (const PlotSeries& s : plot.series) {
    for (size_t k = 0; k < s.points.size(); ++k, ++i) {
      const Box& box = labels[i].box;
      const double baseline = box.bottom - 3.5;
      if (labels[i].far) {
        const double to = std::clamp(at[i].first, box.left, box.right);
        leaders += line_mark(at[i].first, at[i].second, to, at[i].second < box.top ? box.top : box.bottom,
                             "lead s" + std::to_string(colour_of(s.style)));
      }
      texts += text_mark(box.left, baseline, shortened(s.name, kLabel), "name");
    }
  }
  return whiskers + leaders + marks + texts;
}

// A line a series, its name with its mark at the right, level with its end as far as there is room.
std::string draw_lines(const XyPlot& plot, const Frame& frame) {
  std::vector<double> ends;
  std::set<double> values;
  for (const PlotSeries& s : plot.series) {
    ends.push_back(frame.y(s.points.back().y));
    for (const PlotPoint& p : s.points) values.insert(p.x);
  }
  double room = frame.right - kLeft;  // between two values of x
  for (auto it = values.begin(); it != values.end() && std::next(it) != values.end(); ++it)
    room = std::min(room, frame.x(*std::next(it)) - frame.x(*it));
  for (const ReferenceLine& r : plot.references) ends.push_back(frame.y(r.y));
  const auto count = static_cast<double>(plot.series.size());
  const double dodge = std::min({7., .4 * room / count, .15 * (frame.right - kLeft) / count});
  const std::vector<double> heights = spread(ends, kFont + 2, kTop + 2, frame.y.begin - 4);
  std::string whiskers, paths, marks, texts;
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const PlotSeries& s = plot.series[i];
    const std::string css = "s" + std::to_string(colour_of(s.style));
    const double shift = (static_cast<double>(i) - (count - 1) / 2) * dodge;
    std::string d;
    double x = 0, y = 0;
    for (const PlotPoint& p : s.points) {
      x = frame.x(p.x) + shift, y = frame.y(p.y);
      d += (d.empty() ? "M" : "L") + coordinate(x) + " " + coordinate(y);
      whiskers += whisker(p, x, frame, s.style, plot.series.size() > 6);
      marks += titled(p.title, "point", marker(s.style, x, y, .8));
    }
    const std::string dash = s.style < kColours ? "" : s.style < 2 * kColours ? " dash1" : " dash2";
    paths += "<path class=\"line " + css + dash + "\" d=\"" + d + "\"/>";
    const double label_x = frame.right + 22;
    paths += line_mark(x, y, label_x - 8, heights[i], "lead " + css);
    texts += titled(s.name, "key",
                    marker(s.style, label_x, heights[i], .8) +
                        text_mark(label_x + 10, heights[i] + 4.5, shortened(s.name, kLabel), "name"));
  }
  for (size_t i = 0; i < plot.references.size(); ++i) {
    const double height = heights[plot.series.size() + i];
    texts += line_mark(frame.right, frame.y(plot.references[i].y), frame.right + 14, height, "ref") +
             text_mark(frame.right + 17, height + 4, reference_text(plot.references[i]), "reftext");
  }
  return whiskers + paths + marks + texts;
}

}  // namespace

std::string svg(const XyPlot& plot) {
  const Frame frame = make_frame(plot);
  return "<svg class=\"plot\" role=\"img\" aria-label=\"" + escape_markup(plot.title) + "\" viewBox=\"0 0 " +
         coordinate(kWidth) + " " + coordinate(kHeight) + "\" xmlns=\"http://www.w3.org/2000/svg\">" +
         axes(plot, frame) + reference_lines(plot, frame) + stairs(plot, frame) +
         (plot.lines ? draw_lines(plot, frame) : draw_points(plot, frame)) + "</svg>";
}

}  // namespace tacit
