#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "eval/paired_statistics.h"
#include "eval/resample.h"
#include "eval/statistics.h"
#include "lib/core/json.h"
#include "tests/lib/core_support.h"

namespace tacit {
namespace {

// tests/eval/make_statistics_fixture.py wrote it, with scipy, statsmodels and numpy.
const Json& statistics_fixture() {
  static const Json all =
      read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/eval/fixtures/statistics.json", "test");
  return all;
}

void check_close(double got, double expected, double scale = 1) {
  CAPTURE(got);
  CAPTURE(expected);
  CHECK(std::abs(got - expected) <= 1e-9 * scale);
}

std::vector<Cluster> clusters(const Json& sums, const Json& counts) {
  std::vector<Cluster> out;
  for (size_t i = 0; i < sums.size(); ++i) out.push_back({sums[i].get<double>(), counts[i].get<int64_t>()});
  return out;
}

TEST_CASE("Wilson's interval, quantiles and McNemar's test are those of statsmodels, numpy and scipy") {
  for (const Json& c : statistics_fixture().at("wilson")) {
    const Interval ci = wilson(c.at("hits"), c.at("count"));
    check_close(ci.low, c.at("ci").at(0));
    check_close(ci.high, c.at("ci").at(1));
  }
  for (const Json& c : statistics_fixture().at("quantile"))
    check_close(quantile(c.at("values").get<std::vector<double>>(), c.at("q")), c.at("value"));
  for (const Json& c : statistics_fixture().at("mcnemar"))
    check_close(mcnemar(c.at("a"), c.at("b")), c.at("p"), c.at("p").get<double>());
  CHECK(statistics_fixture().at("mcnemar").size() == 8);
}

TEST_CASE("the test by flipped signs is scipy's over all permutations, and of single samples McNemar's") {
  for (const Json& c : statistics_fixture().at("sign_flip"))
    check_close(sign_flip_test(c.at("sums").get<std::vector<int64_t>>()), c.at("p"));
  CHECK(statistics_fixture().at("sign_flip").size() == 6);
  for (const auto& [plus, minus] : {std::pair{0, 0}, {1, 0}, {5, 5}, {3, 9}, {20, 1}, {430, 370}}) {
    std::vector<int64_t> sums(50, 0);
    sums.insert(sums.end(), plus, 1);
    sums.insert(sums.end(), minus, -1);
    CHECK(sign_flip_test(sums) == doctest::Approx(mcnemar(plus, minus)).epsilon(1e-12));
    for (int64_t& sum : sums) sum *= -3;  // three samples a problem that always agree say no more than one
    CHECK(sign_flip_test(sums) == doctest::Approx(mcnemar(plus, minus)).epsilon(1e-12));
  }
  CHECK(sign_flip_test({}) == 1);
}

TEST_CASE("Holm's correction is that of statsmodels") {
  for (const Json& c : statistics_fixture().at("holm")) {
    const std::vector<double> got = holm(c.at("p").get<std::vector<double>>());
    REQUIRE(got.size() == c.at("adjusted").size());
    for (size_t i = 0; i < got.size(); ++i) check_close(got[i], c.at("adjusted")[i]);
  }
  CHECK(holm({}).empty());
  const std::vector<double> bad = {1.5};
  CHECK(holds(error_of([&] { holm(bad); }), "from 0 to 1 but got 1.5"));
}

TEST_CASE("the paired bootstrap is the one that numpy makes of the same draws") {
  for (const Json& c : statistics_fixture().at("bootstrap")) {
    const std::vector<Cluster> all = clusters(c.at("sums"), c.at("counts"));
    const int64_t resamples = c.at("resamples");
    const uint64_t seed = c.at("seed");
    const Difference got = bootstrap_difference(all, resamples, seed);
    check_close(got.mean, c.at("mean"));
    check_close(got.ci.low, c.at("low"));
    check_close(got.ci.high, c.at("high"));
    check_close(got.standard_error, c.at("standard_error"));
    const Interval mean = bootstrap_mean(all, .95, resamples, seed);
    check_close(mean.low, c.at("low"));
    check_close(mean.high, c.at("high"));
  }
}

// Every resample of three clusters, each as likely as any other.
TEST_CASE("resampled means come as often as counting all resamples says") {
  const std::vector<Cluster> all = {{2, 2}, {-1, 1}, {1, 3}};
  std::map<int64_t, double> expected, got;  // by mean in millionths: shares
  const auto key = [](double mean) { return std::llround(1e6 * mean); };
  for (int i = 0; i < 27; ++i) {
    double sum = 0, count = 0;
    for (const int j : {i % 3, i / 3 % 3, i / 9})
      sum += all[static_cast<size_t>(j)].sum, count += static_cast<double>(all[static_cast<size_t>(j)].count);
    expected[key(sum / count)] += 1. / 27;
  }
  constexpr int64_t n = 40000;
  for (const double mean : resampled_means(all, n, 4)) got[key(mean)] += 1. / n;
  REQUIRE(got.size() == expected.size());
  for (const auto& [mean, share] : expected) CHECK(std::abs(got[mean] - share) < 4 * std::sqrt(share / n));
}

TEST_CASE("power: Connor's formula both ways round") {
  for (const Json& c : statistics_fixture().at("power")) {
    CAPTURE(c.dump());
    const int64_t pairs = c.at("pairs");
    const PairedPower got = mcnemar_power(c.at("only_a"), c.at("only_b"), pairs, c.at("effect"));
    REQUIRE(got.pairs.has_value() == !c.at("needed").is_null());
    if (got.pairs) check_close(*got.pairs, c.at("needed"), *got.pairs);
    REQUIRE(got.smallest_difference.has_value() == !c.at("least").is_null());
    if (got.smallest_difference) check_close(*got.smallest_difference, c.at("least"));
  }
  CHECK(holds(error_of([] { mcnemar_power(3, 3, 5); }), "but got 3 and 3 of 5"));
}

TEST_CASE("samples of one problem that always agree count as one") {
  std::vector<double> once, thrice;
  std::vector<int64_t> problem_once, problem_thrice;
  for (int64_t i = 0; i < 60; ++i) {
    const double item = i % 3 == 0 ? 1 : i % 7 == 0 ? -1 : 0;
    once.push_back(item), problem_once.push_back(i);
    for (int k = 0; k < 3; ++k) thrice.push_back(item), problem_thrice.push_back(i);
  }
  const auto a = clusters_of(once, problem_once), b = clusters_of(thrice, problem_thrice);
  const Difference alone = bootstrap_difference(a), together = bootstrap_difference(b);
  CHECK(together.ci.low == doctest::Approx(alone.ci.low));
  CHECK(together.ci.high == doctest::Approx(alone.ci.high));
  CHECK(together.standard_error == doctest::Approx(alone.standard_error));
  int64_t plus = 0, minus = 0;
  for (const double item : once) plus += item > 0, minus += item < 0;
  const double one = design_effect(alone, plus, minus, 60), three = design_effect(together, 3 * plus, 3 * minus, 180);
  CHECK(one == doctest::Approx(60. / 59));
  CHECK(three == doctest::Approx(3 * 60. / 59));
  CHECK(*mcnemar_power(3 * plus, 3 * minus, 180, three).pairs ==
        doctest::Approx(3 * *mcnemar_power(plus, minus, 60, one).pairs));
  // All right in every problem: Wilson's interval of 60, not of 180.
  const std::vector<double> right(180, 1);
  CHECK(share_interval(clusters_of(right, problem_thrice)).low == wilson(60, 60).low);
}

}  // namespace
}  // namespace tacit
