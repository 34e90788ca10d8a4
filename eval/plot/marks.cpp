#include "eval/plot/marks.h"

#include "eval/plot/markup.h"

namespace tacit {

int64_t colour_of(int64_t style) { return style % kColours; }
int64_t shape_of(int64_t style) { return (style + style / kColours) % kShapes; }

std::string marker(int64_t style, double x, double y, double size) {
  static const char* const kPaths[kShapes] = {
      "M-4.6 0a4.6 4.6 0 1 0 9.2 0a4.6 4.6 0 1 0 -9.2 0z",
      "M-4.2 -4.2h8.4v8.4h-8.4z",
      "M0 -5.4L5.2 3.9H-5.2z",
      "M0 -5.8L5.8 0L0 5.8L-5.8 0z",
      "M0 5.4L5.2 -3.9H-5.2z",
      "M-1.8 -5.4h3.6v3.6h3.6v3.6h-3.6v3.6h-3.6v-3.6h-3.6v-3.6h3.6z",
      "M0 -2.5L2.9 -5.4L5.4 -2.9L2.5 0L5.4 2.9L2.9 5.4L0 2.5L-2.9 5.4L-5.4 2.9L-2.5 0L-5.4 -2.9L-2.9 -5.4z"};
  std::string place = "translate(" + coordinate(x) + " " + coordinate(y) + ")";
  if (size != 1) place += " scale(" + coordinate(size) + ")";
  return "<path class=\"mark s" + std::to_string(colour_of(style)) + "\" transform=\"" + place + "\" d=\"" +
         kPaths[shape_of(style)] + "\"/>";
}

std::string text_mark(double x, double y, const std::string& text, const std::string& css_class,
                      const std::string& anchor) {
  return "<text class=\"" + css_class + "\" x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\"" +
         (anchor == "start" ? "" : " text-anchor=\"" + anchor + "\"") + ">" + escape_markup(text) + "</text>";
}

std::string line_mark(double x1, double y1, double x2, double y2, const std::string& css_class) {
  return "<line class=\"" + css_class + "\" x1=\"" + coordinate(x1) + "\" y1=\"" + coordinate(y1) + "\" x2=\"" +
         coordinate(x2) + "\" y2=\"" + coordinate(y2) + "\"/>";
}

std::string titled(const std::string& title, const std::string& css_class, const std::string& content) {
  return "<g class=\"" + css_class + "\"><title>" + escape_markup(title) + "</title>" + content + "</g>";
}

}  // namespace tacit
