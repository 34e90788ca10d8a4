#include "lib/core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// The stream behind the golden values. They come from a second implementation of the header's description, in Python.
Rng golden() { return Rng(2024, 0x123456789ab, 7); }

template <class Draw>
auto draws(int count, Draw draw) {
  Rng rng = golden();
  std::vector<decltype(draw(rng))> values;
  for (int i = 0; i < count; ++i) values.push_back(draw(rng));
  return values;
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

template <class Draw>
Moments moments(int count, Draw draw) {
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = draw();
  Moments m;
  for (const double x : values) m.mean += x / count;
  for (const double x : values) m.variance += std::pow(x - m.mean, 2) / count;
  const double deviation = std::sqrt(m.variance);
  for (const double x : values) m.skew += std::pow((x - m.mean) / deviation, 3) / count;
  for (const double x : values) m.kurtosis += std::pow((x - m.mean) / deviation, 4) / count;
  return m;
}

}  // namespace

TEST_CASE("Philox4x32-10 equals the published known-answer vectors") {
  using Counter = std::array<uint32_t, 4>;
  using Key = std::array<uint32_t, 2>;
  const uint32_t ones = 0xffffffff;
  // Random123, kat_vectors, lines "philox4x32 10".
  CHECK(philox4x32_10(Counter{}, Key{}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32_10(Counter{ones, ones, ones, ones}, Key{ones, ones}) ==
        Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32_10(Counter{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, Key{0xa4093822, 0x299f31d0}) ==
        Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("the draws of a stream stay what they have always been") {
  CHECK(draws(5, [](Rng& r) { return r.next_u32(); }) ==
        std::vector<uint32_t>{0xc80815fe, 0xa430bede, 0xdc06c68b, 0x78a576e5, 0x5ea8eb9a});
  CHECK(draws(3, [](Rng& r) { return r.next_u64(); }) ==
        std::vector<uint64_t>{0xa430bedec80815fe, 0x78a576e5dc06c68b, 0xea51478f5ea8eb9a});
  CHECK(draws(3, [](Rng& r) { return r.uniform(); }) ==
        std::vector<double>{0x1.48617dbd90102p-1, 0x1.e295db97701b0p-2, 0x1.d4a28f1ebd51dp-1});
  CHECK(draws(10, [](Rng& r) { return r.below(10); }) == std::vector<int64_t>{2, 5, 0, 3, 9, 8, 4, 9, 8, 5});
  CHECK(draws(10, [](Rng& r) { return r.between(-5, 5); }) == std::vector<int64_t>{1, 3, -2, -2, -4, 4, 1, 4, -4, -2});
  CHECK(draws(10, [](Rng& r) { return r.poisson(4.5); }) == std::vector<int64_t>{5, 9, 3, 5, 3, 4, 3, 3, 3, 4});
  CHECK(draws(5, [](Rng& r) { return r.poisson(30); }) == std::vector<int64_t>{35, 20, 20, 40, 38});
  CHECK(golden().permutation(10) == std::vector<int64_t>{8, 4, 1, 0, 6, 5, 3, 9, 7, 2});
  CHECK(golden().weighted_sample(std::vector<double>{1, 0, 2, 5, 0.5, 3}, 4) == std::vector<int64_t>{3, 4, 5, 2});
  CHECK(golden().choice(std::vector<std::string>{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}) ==
        "c");  // below(10) = 2
  // A quarter of all draws is thrown away here, so this also fixes which ones.
  CHECK(draws(7, [](Rng& r) { return r.below(int64_t{3} << 61); }) ==
        std::vector<int64_t>{4913637057509201406, 1775956357678548619, 3049297103800560538, 1290897170156243647,
                             314475553774979927, 2841593378985104232, 3275277413041363513});
}

TEST_CASE("normal draws have the same bits on every machine") {
  CHECK(draws(4, [](Rng& r) { return r.normal(); }) ==
        std::vector<double>{-0x1.68a9d7f350819p+0, -0x1.0b97428658025p+1, 0x1.50de4a2485a32p+0, -0x1.0629ad8eb96b0p+1});
}

TEST_CASE("normal draws are Box-Muller to within a few units in the last place") {
  Rng rng(5), uniforms(5);
  double worst = 0;
  for (int i = 0; i < 200'000; ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - uniforms.uniform()));
    const double expected = radius * std::cos(6.283185307179586477 * uniforms.uniform());
    worst = std::max(worst, std::abs(rng.normal() - expected) / std::max(1.0, radius));
  }
  CHECK(worst < 2e-15);
  CHECK(worst > 0);
}

TEST_CASE("Poisson draws stop at the limit that the system's exp gives") {
  for (const double mean : {0.01, 4.5, 30.0}) {
    Rng rng(6), uniforms(6);
    int different = 0;
    for (int i = 0; i < 100'000; ++i) {
      int64_t expected = 0;
      for (double product = uniforms.uniform(); product > std::exp(-mean); product *= uniforms.uniform()) ++expected;
      different += rng.poisson(mean) != expected;
    }
    CHECK(different == 0);  // a relative error of 1e-4 in the limit would change about ten of them
  }
}

TEST_CASE("streams that differ in seed, stream or substream start differently") {
  const auto first = [](Rng rng) { return std::array<uint64_t, 2>{rng.next_u64(), rng.next_u64()}; };
  std::vector<std::array<uint64_t, 2>> starts;
  for (const uint64_t high : {0, 1}) {
    for (const uint64_t low : {0, 1}) {
      const uint64_t word = high << 32 | low;
      starts.push_back(first(Rng(word, 2, 3)));
      starts.push_back(first(Rng(9, word, 3)));
    }
    starts.push_back(first(Rng(9, 9, static_cast<uint32_t>(high))));
  }
  std::sort(starts.begin(), starts.end());
  CHECK(std::unique(starts.begin(), starts.end()) == starts.end());
}

TEST_CASE("a copy continues where the original stood, without touching it") {
  Rng rng = golden();
  rng.next_u32();
  Rng copy = rng;
  for (int i = 0; i < 10; ++i) copy.next_u32();
  CHECK(rng.next_u32() == 0xa430bede);
}

TEST_CASE("bounded draws cover their range evenly and reach both ends") {
  Rng rng(1);
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts[static_cast<size_t>(rng.below(7))];
  double chi_squared = 0;
  for (const int count : counts) chi_squared += std::pow(count - 10'000, 2) / 10'000;
  CHECK(chi_squared < 22.5);  // 6 degrees of freedom, p = 0.001
  CHECK(rng.below(1) == 0);
  CHECK(rng.between(3, 3) == 3);
  constexpr int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  int negative = 0;
  for (int i = 0; i < 1000; ++i) negative += rng.between(low, high) < 0;
  CHECK(negative > 400);
  CHECK(negative < 600);
  // 2^64 mod (3 * 2^61) is not 0: without rejection the lower third would come up half the time.
  int lower = 0;
  for (int i = 0; i < 30'000; ++i) lower += rng.below(int64_t{3} << 61) < int64_t{1} << 61;
  CHECK(std::abs(lower - 10'000) < 330);  // 4 standard deviations
}

TEST_CASE("distributions have the moments they promise") {
  constexpr int count = 200'000;
  Rng rng(77);
  const Moments uniform = moments(count, [&] { return rng.uniform(); });
  CHECK(std::abs(uniform.mean - 0.5) < 0.0026);
  CHECK(std::abs(uniform.variance - 1.0 / 12) < 0.0007);

  const Moments normal = moments(count, [&] { return rng.normal(); });
  CHECK(std::abs(normal.mean) < 0.009);
  CHECK(std::abs(normal.variance - 1) < 0.013);
  CHECK(std::abs(normal.skew) < 0.022);
  CHECK(std::abs(normal.kurtosis - 3) < 0.044);

  for (const double mean : {0.01, 1.0, 4.5, 30.0}) {
    const Moments poisson = moments(count, [&] { return static_cast<double>(rng.poisson(mean)); });
    CAPTURE(mean);
    CHECK(std::abs(poisson.mean - mean) < 4 * std::sqrt(mean / count));
    CHECK(std::abs(poisson.variance - mean) < 4 * std::sqrt((mean + 2 * mean * mean) / count));
  }
}

TEST_CASE("a permutation holds every item once, and every order is equally likely") {
  Rng rng(3);
  std::vector<int64_t> items = rng.permutation(1000);
  CHECK_FALSE(std::is_sorted(items.begin(), items.end()));
  std::sort(items.begin(), items.end());
  for (int64_t i = 0; i < 1000; ++i) REQUIRE(items[static_cast<size_t>(i)] == i);
  CHECK(rng.permutation(0).empty());
  CHECK(rng.permutation(1) == std::vector<int64_t>{0});

  std::vector<int> counts(27);
  for (int i = 0; i < 60'000; ++i) {
    const auto p = rng.permutation(3);
    ++counts[static_cast<size_t>(9 * p[0] + 3 * p[1] + p[2])];
  }
  for (const int order : {5, 7, 11, 15, 19, 21}) CHECK(std::abs(counts[static_cast<size_t>(order)] - 10'000) < 366);
}

TEST_CASE("a weighted sample takes different positions in proportion to their weights, and never one of weight 0") {
  Rng rng(8);
  const std::vector<double> weights = {1, 0, 3, 4};
  std::vector<int> first(4);
  for (int i = 0; i < 80'000; ++i) {
    const auto sample = rng.weighted_sample(weights, 3);
    REQUIRE(sample.size() == 3);
    REQUIRE(sample[0] + sample[1] + sample[2] == 0 + 2 + 3);  // all but position 1
    ++first[static_cast<size_t>(sample[0])];
  }
  CHECK(first[1] == 0);
  CHECK(std::abs(first[0] - 10'000) < 375);
  CHECK(std::abs(first[2] - 30'000) < 550);
  CHECK(std::abs(first[3] - 40'000) < 570);
  CHECK(rng.weighted_sample(weights, 0).empty());
}

TEST_CASE("draws that cannot be made are refused with the offending value") {
  Rng rng(1);
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  using Action = std::function<void()>;
  struct Row {
    Action action;
    std::string part;
  };
  const std::vector<Row> rows = {
      {[&] { rng.below(0); }, "got 0"},
      {[&] { rng.below(-4); }, "got -4"},
      {[&] { rng.between(2, 1); }, "got 2 and 1"},
      {[&] { rng.choice(std::vector<int>{}); }, "got 0"},
      {[&] { rng.poisson(0); }, "got 0"},
      {[&] { rng.poisson(30.5); }, "got 30.5"},
      {[&] { rng.poisson(nan); }, "got nan"},
      {[&] { rng.permutation(-1); }, "got -1"},
      {[&] {
         rng.weighted_sample(std::vector<double>{1, 0, 2}, 3);
       },
       "expected a sample of 0 to 2 (positive weights) but got 3"},
      {[&] {
         rng.weighted_sample(std::vector<double>{1, 2}, -1);
       },
       "got -1"},
      {[&] {
         rng.weighted_sample(std::vector<double>{1, -2}, 1);
       },
       "weight 1"},
      {[&] {
         rng.weighted_sample(std::vector<double>{nan, 2}, 1);
       },
       "weight 0"},
      {[&] {
         rng.weighted_sample(std::vector<double>{infinity, 2}, 1);
       },
       "weight 0"},
      {[&] {
         rng.weighted_sample(std::vector<double>{1e308, 1e308}, 1);
       },
       "finite sum"},
  };
  for (const Row& row : rows) {
    const std::string error = error_of(row.action);
    CHECK(holds(error, "[rng] expected"));
    CHECK(holds(error, row.part));
  }
}
