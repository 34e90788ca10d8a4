#pragma once

#include <string>
#include <vector>

namespace tacit {

struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
};

double overlap(const Box& a, const Box& b);  // area

// A label beside a point.
struct PlacedLabel {
  Box box;
  bool far = false;  // a line must lead to it
};

// Beside each point the place that covers least of what is there already: the other labels, `taken`, and what lies
// outside `frame`. Widths in `widths`, all of one height. The same input gives the same places.
std::vector<PlacedLabel> place_labels(const std::vector<std::pair<double, double>>& points,
                                      const std::vector<double>& widths, double height, const Box& frame,
                                      std::vector<Box> taken);

// Heights of labels in one column: as near to those wanted as a distance of `gap` and the ends allow.
std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high);

}  // namespace tacit
