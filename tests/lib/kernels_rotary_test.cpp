#include <string>

#include "lib/core/error.h"
#include "tests/lib/kernels_rotary_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("rotary on the CPU is its twin in fp64, both pairings, in place or not") {
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 1e-6}, {at::kBFloat16, 0.0040}}) {
    check_rotary_everywhere({at::kCPU, dtype, most});
  }
}

TEST_CASE("rotary's twin turns a pair as a complex number") {
  const double x[] = {0.3, -1.2, 0.7, 2.0}, angle[] = {0.4, 1.9};
  for (const bool interleaved : {false, true}) {
    const auto by_dimension = [&](auto of) {
      return interleaved ? at::tensor({of(angle[0]), of(angle[0]), of(angle[1]), of(angle[1])}, at::kDouble)
                         : at::tensor({of(angle[0]), of(angle[1]), of(angle[0]), of(angle[1])}, at::kDouble);
    };
    const at::Tensor cos = by_dimension([](double a) { return std::cos(a); }).view({1, 1, 1, 4}),
                     sin = by_dimension([](double a) { return std::sin(a); }).view({1, 1, 1, 4});
    const at::Tensor y =
        rotary_reference(at::tensor({x[0], x[1], x[2], x[3]}, at::kDouble).view({1, 1, 1, 4}), cos, sin, interleaved)
            .view(-1);
    for (int pair = 0; pair < 2; ++pair) {
      const int i = interleaved ? 2 * pair : pair, j = interleaved ? i + 1 : pair + 2;
      CHECK(y[i].item<double>() == doctest::Approx(x[i] * std::cos(angle[pair]) - x[j] * std::sin(angle[pair])));
      CHECK(y[j].item<double>() == doctest::Approx(x[i] * std::sin(angle[pair]) + x[j] * std::cos(angle[pair])));
    }
  }
}

TEST_CASE("rotary of no tokens touches nothing") {
  rotary({.tokens = 0, .heads = 1, .size = 8, .rotated = 8}, {});
  rotary({.tokens = 0, .heads = 1, .size = 8, .rotated = 8}, {.device = DeviceKind::cuda});
}

TEST_CASE("rotary refuses arguments that cannot be meant, saying which") {
  float x[8] = {}, y[8] = {};
  const int64_t position[] = {1}, beyond[] = {2}, below[] = {-1};
  const RotaryArgs good = {.tokens = 1,
                           .heads = 1,
                           .size = 4,
                           .rotated = 4,
                           .x_NHE = x,
                           .x_stride = 4,
                           .y_NHE = y,
                           .y_stride = 4,
                           .positions = 2,
                           .cos_PR = x,
                           .sin_PR = x,
                           .position_N = position};
  const auto with = [&](auto change) {
    RotaryArgs args = good;
    change(args);
    return args;
  };
  const struct {
    RotaryArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.heads = 0; }),
       "[rotary] expected x_NHE of at least 0 tokens, 1 head and size 1 but got [1, 0, 4]"},
      {with([](auto& a) { a.rotated = 3; }),
       "[rotary] expected an even number of rotated dimensions, 0 to 4, but got 3"},
      {with([](auto& a) { a.rotated = 6; }),
       "[rotary] expected an even number of rotated dimensions, 0 to 4, but got 6"},
      {with([](auto& a) { a.x_stride = 3; }), "[rotary] expected tokens at least 4 apart but got 3 and 4"},
      {with([](auto& a) { a.sin_PR = nullptr; }), "[rotary] expected sin_PR but it is null"},
      {with([&](auto& a) { a.y_NHE = x, a.y_stride = 5; }), "[rotary] expected one stride in place but got 4 and 5"},
      {with([&](auto& a) { a.position_N = beyond; }), "[rotary] expected positions below 2 but got 2"},
      {with([&](auto& a) { a.position_N = below; }), "[rotary] expected positions below 2 but got -1"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(rotary(row.args, {}), row.message.c_str(), Error);
}

}  // namespace
}  // namespace tacit::test
