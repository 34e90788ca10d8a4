#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/lib/kernels_log_linear_state_checks.h"

namespace tacit::test {
namespace {

LogLinearColumns random_columns(GuardedInputs& make, const LogLinearShape& s) {
  const auto random = [&](int64_t last) { return make.normal({s.rows, s.columns, s.heads, last}).to(at::kFloat); };
  return {.query_BTHE = random(s.size),
          .key_BTHE = random(s.size),
          .value_BTHE = random(s.size),
          .decay_BTH = -at::softplus(random(1).squeeze(3)),
          .weight_BTHL = at::softplus(random(s.levels)),
          .position_BT = at::arange(s.columns).unsqueeze(0).expand({s.rows, s.columns}).contiguous()};
}

LogLinearColumns part_of(const LogLinearColumns& c, int64_t row, int64_t begin, int64_t width) {
  const auto part = [&](const at::Tensor& x) { return x.narrow(0, row, 1).narrow(1, begin, width); };
  return {part(c.query_BTHE), part(c.key_BTHE),    part(c.value_BTHE),
          part(c.decay_BTH),  part(c.weight_BTHL), part(c.position_BT)};
}

TEST_CASE("log_linear_state on the CPU is its twin in fp64, at every size, ragged or not") {
  check_log_linear_state_everywhere({at::kCPU, at::kFloat, 2e-6});
}

TEST_CASE("log_linear_state of a row: the same bits whatever stands beside it and however wide the segment") {
  GuardedInputs make(at::kFloat);
  const LogLinearShape s = {3, 20, 2, 24, 7};
  LogLinearColumns wide = random_columns(make, s);
  wide.real_BT = at::arange(20).unsqueeze(0) < at::tensor({20, 11, 0}).unsqueeze(1);
  const at::Tensor together = at::zeros({3, 7, 2, 24, 24});
  const at::Tensor y = log_linear_state_in_place(wide, together);
  for (const auto& [row, width] : {std::pair{0, 20}, {1, 11}}) {
    const at::Tensor alone = at::zeros({1, 7, 2, 24, 24});
    CHECK(at::equal(log_linear_state_in_place(part_of(wide, row, 0, width), alone)[0], y[row].narrow(0, 0, width)));
    CHECK(at::equal(alone[0], together[row]));
  }
  CHECK(together[2].eq(0).all().item<bool>());
}

TEST_CASE("log_linear_state goes on from where any piece ended") {
  GuardedInputs make(at::kFloat);
  CAPTURE(make.seed());
  const LogLinearShape s = {1, 64, 1, 16, 7};
  const LogLinearColumns columns = random_columns(make, s);
  const at::Tensor whole = at::zeros({1, 7, 1, 16, 16});
  const at::Tensor y = log_linear_state_in_place(columns, whole);
  for (const int64_t width : {1, 3, 8, 31}) {
    CAPTURE(width);
    const at::Tensor pieces = at::zeros_like(whole);
    std::vector<at::Tensor> found;
    for (int64_t begin = 0; begin < 64; begin += width) {
      found.push_back(log_linear_state_in_place(part_of(columns, 0, begin, std::min(width, 64 - begin)), pieces));
    }
    CHECK(scaled_error(at::cat(found, 1), y) < 2e-6);
    CHECK(scaled_error(pieces, whole) < 2e-6);
  }
}

TEST_CASE("log_linear_state: what stands in columns passed over, NaN or not, reaches nothing") {
  GuardedInputs make(at::kFloat);
  LogLinearColumns c = random_columns(make, {1, 4, 1, 8, 5});
  c.real_BT = at::tensor({1, 1, 1, 0}).to(at::kBool).unsqueeze(0);
  for (const at::Tensor& x : {c.query_BTHE, c.key_BTHE, c.value_BTHE, c.decay_BTH, c.weight_BTHL}) {
    x[0][3].fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const at::Tensor state = at::zeros({1, 5, 1, 8, 8}), y = log_linear_state_in_place(c, state);
  CHECK(state.isfinite().all().item<bool>());
  CHECK(y[0][3].eq(0).all().item<bool>());
  const LogLinearFound twin = log_linear_state_reference(c, at::zeros({1, 5, 1, 8, 8}));
  CHECK(scaled_error(state, twin.state_BLHEE) < 2e-6);
  CHECK(scaled_error(y, twin.y_BTHE) < 2e-6);
}

TEST_CASE("log_linear_state of nothing touches nothing") {
  log_linear_state({.rows = 0, .columns = 3, .heads = 1, .size = 8, .levels = 3}, {});
  log_linear_state({.rows = 2, .columns = 0, .heads = 1, .size = 8, .levels = 3}, {.device = DeviceKind::cuda});
}

TEST_CASE("log_linear_state refuses arguments that cannot be meant, saying which") {
  float x[256] = {};
  const int64_t one[] = {1, 2}, far[] = {4, 5}, apart[] = {1, 3}, below[] = {-1, 0};
  const bool second[] = {false, true};
  const LogLinearStateArgs good = {.rows = 1,
                                   .columns = 2,
                                   .heads = 1,
                                   .size = 8,
                                   .levels = 3,
                                   .query_BTHE = x,
                                   .key_BTHE = x,
                                   .value_BTHE = x,
                                   .decay_BTH = x,
                                   .weight_BTHL = x,
                                   .position_BT = one,
                                   .state_BLHEE = x,
                                   .y_BTHE = x};
  const auto with = [&](auto change) {
    LogLinearStateArgs args = good;
    change(args);
    return args;
  };
  const struct {
    LogLinearStateArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.size = 0; }),
       "[log_linear_state] expected inputs of at least 0 rows and columns, 1 head and size 1 but got [1, 2, 1, 0]"},
      {with([](auto& a) { a.levels = 0; }), "[log_linear_state] expected 1 to 63 levels but got 0"},
      {with([](auto& a) { a.decay_BTH = nullptr; }), "[log_linear_state] expected decay_BTH but it is null"},
      {with([](auto& a) { a.y_BTHE = nullptr; }), "[log_linear_state] expected y_BTHE but it is null"},
      {with([&](auto& a) { a.position_BT = far; }),
       "[log_linear_state] expected positions below 4 (3 levels) but got 4"},
      {with([&](auto& a) { a.position_BT = below; }),
       "[log_linear_state] expected positions below 4 (3 levels) but got -1"},
      {with([&](auto& a) { a.position_BT = apart; }), "[log_linear_state] expected position 2 next in row 0 but got 3"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(log_linear_state(row.args, {}), row.message.c_str(), Error);
  // A column that is passed over may stand anywhere.
  float state[3 * 64] = {}, y[16];
  CHECK_NOTHROW(log_linear_state(
      with([&](auto& a) { a.position_BT = below, a.real_BT = second, a.state_BLHEE = state, a.y_BTHE = y; }), {}));
}

}  // namespace
}  // namespace tacit::test
