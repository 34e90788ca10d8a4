#include "eval/plot/dot_plot.h"

#include <algorithm>

#include "eval/plot/axis.h"
#include "eval/plot/marks.h"
#include "eval/plot/markup.h"

namespace tacit {

std::string svg(const DotPlot& plot) {
  constexpr double kWidth = 520, kTop = 30, kBottom = 46, kRow = 30, kFont = 13, kRight = 502;
  constexpr int64_t kLabel = 22;
  double left = 0;
  for (const DotRow& row : plot.rows) left = std::max(left, text_width(shortened(row.name, kLabel), kFont));
  left += 22;
  const double bottom = kTop + kRow * static_cast<double>(plot.rows.size());
  const Scale x{0, 100, left, kRight, false};
  std::string out = "<svg class=\"plot\" role=\"img\" aria-label=\"" + escape_markup(plot.title) + "\" viewBox=\"0 0 " +
                    coordinate(kWidth) + " " + coordinate(bottom + kBottom) +
                    "\" xmlns=\"http://www.w3.org/2000/svg\">";
  for (const double tick : linear_ticks(0, 100, 5)) {
    out += line_mark(x(tick), kTop, x(tick), bottom, "grid");
    out += text_mark(x(tick), bottom + 18, tick_text(tick), "tick", "middle");
  }
  out += line_mark(left, bottom, kRight, bottom, "axis");
  for (size_t i = 0; i < plot.references.size(); ++i) {
    const ReferenceLine& r = plot.references[i];
    const std::string text = r.name + " " + fixed_text(r.y, 1);
    const double half = text_width(text, 11.5) / 2, middle = std::clamp(x(r.y), left + half, kRight - half);
    out += line_mark(x(r.y), kTop, x(r.y), bottom, "ref");
    out += text_mark(middle, i % 2 == 0 ? kTop - 6 : kTop - 18, text, "reftext", "middle");
  }
  for (size_t i = 0; i < plot.rows.size(); ++i) {
    const DotRow& row = plot.rows[i];
    const double y = kTop + kRow * (static_cast<double>(i) + .5);
    const std::string css = "s" + std::to_string(colour_of(row.style));
    out += text_mark(left - 10, y + 4.5, shortened(row.name, kLabel), "name", "end");
    out += titled(row.title, "point",
                  line_mark(x(row.ci.low), y, x(row.ci.high), y, "band " + css) +
                      line_mark(x(row.value), y - 9, x(row.value), y + 9, "mean " + css));
    for (const auto& [value, title] : row.dots) out += titled(title, "point", marker(row.style, x(value), y, .8));
  }
  out += text_mark((left + kRight) / 2, bottom + 38, plot.x_title, "title", "middle");
  return out + "</svg>";
}

}  // namespace tacit
