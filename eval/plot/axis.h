#pragma once

#include <string>
#include <vector>

namespace tacit {

// Round numbers (1, 2 or 5 times a power of ten apart) from low to high, about `count` of them.
std::vector<double> linear_ticks(double low, double high, int count);
// 1, 2 and 5 times powers of ten within [low, high]; only the powers where they are many. low > 0.
std::vector<double> log_ticks(double low, double high);
std::string tick_text(double value);
// The least round number that is not below `value`: end of an axis that starts at 0.
double round_up(double value);

// What an axis of this length holds: position = begin + (value - low) / (high - low) * length, or of logarithms.
struct Scale {
  double low = 0, high = 1, begin = 0, end = 1;
  bool log = false;
  double operator()(double value) const;
};

}  // namespace tacit
