#include "eval/statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "lib/core/rng.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

std::vector<double> zeros_and_ones(int64_t n, int64_t ones) {
  std::vector<double> values(n, 0);
  std::fill(values.begin(), values.begin() + ones, 1);
  return values;
}

TEST_CASE("quantile equals numpy.quantile") {
  const std::vector<double> values = {3.5, -1.25, 10, 0.1, 7, 7, 2.75};
  const std::pair<double, double> expected[] = {{0, -1.25}, {0.025, -1.0474999999999999}, {0.05, -0.845},
                                                {0.5, 3.5}, {0.95, 9.099999999999998},    {0.975, 9.549999999999999},
                                                {1, 10.0}};
  for (const auto& [q, value] : expected) CHECK(std::abs(quantile(values, q) - value) < 1e-12);
  CHECK(quantile({4}, 0.3) == 4);
  CHECK(holds(error_of([] { quantile({}, .5); }), "at least one value"));
  CHECK(holds(error_of([] { quantile({1}, 1.5); }), "between 0 and 1 but got 1.5"));
}

TEST_CASE("mcnemar equals scipy.stats.binomtest(a, a + b, 0.5)") {
  struct Case {
    int64_t a, b;
    double p;
  };
  const Case cases[] = {
      {0, 0, 1.0},
      {1, 0, 1.0},
      {0, 1, 1.0},
      {5, 5, 1.0},
      {3, 9, 0.14599609375},
      {10, 2, 0.03857421875},
      {1, 20, 2.09808349609375e-05},
      {121, 59, 4.4344492637551645e-06},
      {0, 60, 1.734723475976807e-18},
      {430, 370, 0.036915770228582764},
      {5100, 4900, 0.04658552770494645},
      {4900, 5101, 0.045505663375514656},
      {6000, 4000, 1.7404316412268293e-89},
      {9000, 1000, 0.0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.a);
    CAPTURE(c.b);
    CHECK(std::abs(mcnemar(c.a, c.b) - c.p) <= 1e-9 * c.p);
    CHECK(mcnemar(c.a, c.b) == mcnemar(c.b, c.a));
  }
  CHECK(holds(error_of([] { mcnemar(-1, 2); }), "at least 0 but got -1"));
}

// The mean of a resample of n zeros and ones, k of them ones, is Binomial(n, k/n) / n: the ends of the interval are
// the 2.5 % and 97.5 % points of R draws from it. Such a point has the standard error sqrt(q (1 - q) / R) / density;
// with sd = sqrt(p (1 - p) / n) and density 0.0584 / sd that is 0.027 sd at R = 10,000. Allowed: 4 of them and one step
// 1/n of the lattice. The points of 90 % lie 0.31 sd further in.
TEST_CASE("the bootstrap of zeros and ones agrees with the binomial distribution") {
  struct Case {
    int64_t n, ones;
    double low, high;  // scipy.stats.binom.ppf([.025, .975], n, ones / n) / n
  };
  for (const Case& c : {Case{300, 285, 0.92333333, 0.97333333}, Case{1319, 433, 0.30326005, 0.3540561}}) {
    const double n = static_cast<double>(c.n), p = static_cast<double>(c.ones) / n;
    const double allowed = 4 * 0.027 * std::sqrt(p * (1 - p) / n) + 1 / n;
    for (uint64_t seed : {0, 1, 2}) {
      const Interval interval = bootstrap_mean(zeros_and_ones(c.n, c.ones), 0.95, 10000, seed);
      CHECK(std::abs(interval.low - c.low) <= allowed);
      CHECK(std::abs(interval.high - c.high) <= allowed);
    }
  }
}

TEST_CASE("the bootstrap of many values agrees with mean +- z sd / sqrt(n)") {
  Rng rng(3);
  std::vector<double> values(2000);
  double mean = 0, square = 0;
  for (double& v : values) mean += (v = 5 + 2 * rng.normal()) / 2000;
  for (double v : values) square += (v - mean) * (v - mean) / 2000;
  const double se = std::sqrt(square / 2000);
  const Interval interval = bootstrap_mean(values);
  CHECK(std::abs(interval.low - (mean - 1.95996 * se)) <
        4 * 0.027 * se + 0.02 * se);  // as above, and a little skewness
  CHECK(std::abs(interval.high - (mean + 1.95996 * se)) < 4 * 0.027 * se + 0.02 * se);
  const Interval narrower = bootstrap_mean(values, 0.5);
  CHECK(std::abs(narrower.high - narrower.low - 2 * 0.67449 * se) < 0.1 * se);
}

TEST_CASE("Wilson's interval ends where the score test turns") {
  constexpr double z = 1.959963984540054;
  for (const auto& [hits, count] : {std::pair<int64_t, int64_t>{50, 100}, {299, 300}, {1, 7}, {3, 4}}) {
    const double n = static_cast<double>(count), share = static_cast<double>(hits) / n;
    const Interval interval = wilson(hits, count);
    CHECK(interval.low < share);
    CHECK(interval.high > share);
    for (const double p : {interval.low, interval.high})
      CHECK(std::abs(share - p) == doctest::Approx(z * std::sqrt(p * (1 - p) / n)).epsilon(1e-12));
  }
  CHECK(wilson(100, 100).low == doctest::Approx(100 / (100 + z * z)).epsilon(1e-12));
  CHECK(wilson(100, 100).high == 1);
  CHECK(wilson(0, 100).low == 0);
  CHECK(wilson(0, 100).high == doctest::Approx(z * z / (100 + z * z)).epsilon(1e-12));
  CHECK(holds(error_of([] { wilson(2, 1); }), "but got 2 of 1"));
  CHECK(holds(error_of([] { wilson(0, 0); }), "but got 0 of 0"));
}

TEST_CASE("a share of all or of none has an interval with a width; any other is bootstrapped") {
  CHECK(share_interval(zeros_and_ones(100, 100)).low == wilson(100, 100).low);
  CHECK(share_interval(zeros_and_ones(100, 0)).high == wilson(0, 100).high);
  const auto some = zeros_and_ones(100, 97);
  CHECK(share_interval(some).low == bootstrap_mean(some).low);
  CHECK(share_interval(some).high == bootstrap_mean(some).high);
  CHECK(holds(error_of([] { share_interval(std::vector<double>()); }), "but got 0"));
}

TEST_CASE("the bootstrap is a function of its arguments and knows its bounds") {
  const auto values = zeros_and_ones(50, 20);
  CHECK(bootstrap_mean(values, .95, 500, 1).low == bootstrap_mean(values, .95, 500, 1).low);
  const Interval certain = bootstrap_mean(zeros_and_ones(40, 40));
  CHECK(certain.low == 1);
  CHECK(certain.high == 1);
  CHECK(holds(error_of([] { bootstrap_mean(std::vector<double>()); }), "but got 0"));
  CHECK(holds(error_of([&] { bootstrap_mean(values, 1); }), "between 0 and 1 but got 1"));
  CHECK(holds(error_of([&] { bootstrap_mean(values, .9, 0); }), "at least 1 resample but got 0"));
}

}  // namespace
}  // namespace tacit
