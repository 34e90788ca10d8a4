#include "eval/plot/axis.h"

#include <cmath>
#include <cstdio>

namespace tacit {
namespace {

double round_step(double raw) {
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1., 2., 5.}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int count) {
  const double step = round_step((high - low) / count);
  std::vector<double> out;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + step * 1e-9; ++k)
    out.push_back(k * step + 0.);  // no -0
  return out;
}

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> out;
  const bool powers_only = high / low > 2e3;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
    for (const double factor : {1., 2., 5.}) {
      const double value = factor * power;
      if ((factor == 1 || !powers_only) && value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9))
        out.push_back(value);
    }
  }
  return out;
}

std::string tick_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

double round_up(double value) {
  const double step = round_step(value / 5);
  return std::ceil(value / step - 1e-9) * step;
}

double Scale::operator()(double value) const {
  const double share = log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return begin + share * (end - begin);
}

}  // namespace tacit
