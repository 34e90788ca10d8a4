#include "eval/plot/labels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace tacit {

double overlap(const Box& a, const Box& b) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

std::vector<PlacedLabel> place_labels(const std::vector<std::pair<double, double>>& points,
                                      const std::vector<double>& widths, double height, const Box& frame,
                                      std::vector<Box> taken) {
  constexpr double kBeside = 9, kFurther = 14;
  constexpr double kDirections[][2] = {{1, 0}, {-1, 0}, {1, -1}, {1, 1}, {-1, -1}, {-1, 1}, {0, -1}, {0, 1}};
  std::vector<PlacedLabel> out;
  for (size_t i = 0; i < points.size(); ++i) {
    PlacedLabel best;
    double least = std::numeric_limits<double>::max();
    for (int ring = 0; ring < 7 && least > 0; ++ring) {
      const double distance = kBeside + ring * kFurther;
      for (const auto& [across, down] : kDirections) {
        const double left = points[i].first + across * kBeside +
                            (across > 0   ? 0
                             : across < 0 ? -widths[i]
                                          : -widths[i] / 2);
        const double middle = points[i].second + down * (distance + height / 4);
        if (ring > 0 && down == 0) continue;
        const Box box{left, middle - height / 2, left + widths[i], middle + height / 2};
        double cost = widths[i] * height - overlap(box, frame);  // outside
        cost *= 10;
        for (const Box& other : taken) cost += overlap(box, other);
        if (cost < least - 1e-9) least = cost, best = {box, ring > 0};
      }
    }
    taken.push_back(best.box);
    out.push_back(best);
  }
  return out;
}

std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high) {
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  if (wanted.size() > 1) gap = std::min(gap, (high - low) / static_cast<double>(wanted.size() - 1));
  // Groups of labels that touch, each centred on the mean of what its members want.
  struct Group {
    double sum = 0;
    size_t first = 0, count = 0;
    double top(double gap) const { return sum / static_cast<double>(count) - gap * static_cast<double>(count - 1) / 2; }
  };
  const auto clamped = [&](const Group& g) {
    return std::clamp(g.top(gap), low, std::max(low, high - gap * static_cast<double>(g.count - 1)));
  };
  std::vector<Group> groups;
  for (size_t i = 0; i < order.size(); ++i) {
    groups.push_back({wanted[order[i]], i, 1});
    while (groups.size() > 1) {
      const Group last = groups.back();
      Group& before = groups[groups.size() - 2];
      if (clamped(before) + gap * static_cast<double>(before.count) <= clamped(last) + 1e-9) break;
      before.sum += last.sum;
      before.count += last.count;
      groups.pop_back();
    }
  }
  std::vector<double> out(wanted.size());
  for (const Group& g : groups) {
    for (size_t k = 0; k < g.count; ++k) out[order[g.first + k]] = clamped(g) + gap * static_cast<double>(k);
  }
  return out;
}

}  // namespace tacit
