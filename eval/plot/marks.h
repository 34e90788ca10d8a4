#pragma once

#include <cstdint>
#include <string>

namespace tacit {

// Colours are those of Okabe and Ito [2008, "Color Universal Design"] but yellow, which white paper swallows; every
// seventh style repeats a colour with another shape and another dash.
constexpr int64_t kColours = 7, kShapes = 7;

int64_t colour_of(int64_t style);
int64_t shape_of(int64_t style);  // circle, square, triangle, diamond, triangle upside down, plus, cross

// A shape of about 10 units around (x, y); `size` scales it.
std::string marker(int64_t style, double x, double y, double size = 1);
std::string text_mark(double x, double y, const std::string& text, const std::string& css_class,
                      const std::string& anchor = "start");
std::string line_mark(double x1, double y1, double x2, double y2, const std::string& css_class);
// <g class=..><title>..</title> content </g>: what is shown when pointed at.
std::string titled(const std::string& title, const std::string& css_class, const std::string& content);

}  // namespace tacit
