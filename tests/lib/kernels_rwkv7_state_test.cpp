#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/twins_only.h"
#include "tests/lib/kernels_rwkv7_state_checks.h"

namespace tacit::test {
namespace {

std::vector<at::Tensor> leaves_of(const Rwkv7Columns& c, const at::Tensor& state_BHEE, at::ScalarType dtype) {
  std::vector<at::Tensor> out = {c.receptance_BTHE, c.decay_BTHE,        c.key_BTHE, c.value_BTHE,
                                 c.removed_BTHE,    c.rate_removed_BTHE, state_BHEE};
  for (at::Tensor& x : out) x = x.to(dtype, /*non_blocking=*/false, /*copy=*/true).requires_grad_(true);
  return out;
}

Rwkv7Columns columns_of(const std::vector<at::Tensor>& x) { return {x[0], x[1], x[2], x[3], x[4], x[5]}; }

// A number that depends on every y and every element of the last state.
at::Tensor mark(const Rwkv7Found& found) {
  const auto waves = [](const at::Tensor& x) {
    return (x * at::arange(x.numel(), x.options()).view_as(x).mul(0.37).sin()).sum();
  };
  return waves(found.y_BTHE) + 0.5 * waves(found.state_BHEE) + found.y_BTHE.square().sum();
}

TEST_CASE("rwkv7_state on the CPU is its twin in fp64, at every size, ragged or not") {
  check_rwkv7_state_everywhere({at::kCPU, at::kFloat, 2e-6});
}

TEST_CASE("rwkv7_state's twin is the recurrence as the paper writes it") {
  GuardedInputs make(at::kDouble);
  const Rwkv7Shape s = {1, 6, 1, 5};
  const Rwkv7Columns c = random_rwkv7_columns(make, s);
  at::Tensor state = make.normal({5, 5});
  const Rwkv7Found got = rwkv7_state_reference(c, state.view({1, 1, 5, 5}));
  for (int64_t t = 0; t < s.columns; ++t) {
    const auto at = [&](const at::Tensor& x) { return x[0][t][0]; };
    state = at::matmul(state, at::diag(at(c.decay_BTHE)) - at::outer(at(c.removed_BTHE), at(c.rate_removed_BTHE))) +
            at::outer(at(c.value_BTHE), at(c.key_BTHE));
    CHECK(scaled_error(got.y_BTHE[0][t][0], at::matmul(state, at(c.receptance_BTHE))) < 1e-13);
  }
  CHECK(scaled_error(got.state_BHEE[0][0], state) < 1e-13);
}

TEST_CASE("rwkv7_state of a row: the same bits whatever stands beside it, however wide or cut the segment") {
  GuardedInputs make(at::kFloat);
  const Rwkv7Shape s = {3, 20, 2, 24};
  const Rwkv7Columns wide = random_rwkv7_columns(make, s);
  const auto part = [&](int64_t row, int64_t begin, int64_t width) {
    std::vector<at::Tensor> x = leaves_of(wide, at::zeros({1}), at::kFloat);
    for (at::Tensor& each : x) {
      if (each.dim() == 4) each = each.detach().narrow(0, row, 1).narrow(1, begin, width);
    }
    return columns_of(x);
  };
  const at::NoGradGuard no_grad;
  const at::Tensor start = make.normal({3, 2, 24, 24}).to(at::kFloat), together = start.clone();
  const at::Tensor real_BT = at::arange(20).unsqueeze(0) < at::tensor({20, 11, 0}).unsqueeze(1);
  const std::vector<at::Tensor> all = leaves_of(wide, start, at::kFloat);
  const at::Tensor y = rwkv7_state_in_place(columns_of(all), together, real_BT);
  CHECK(at::equal(together[2], start[2]));
  for (const auto& [row, width] : {std::pair{0, 20}, {1, 11}}) {
    const at::Tensor alone = start.narrow(0, row, 1).clone();
    const at::Tensor first = rwkv7_state_in_place(part(row, 0, 4), alone),
                     second = rwkv7_state_in_place(part(row, 4, width - 4), alone);
    CHECK(at::equal(at::cat({first, second}, 1)[0], y[row].narrow(0, 0, width)));
    CHECK(at::equal(alone[0], together[row]));
  }
}

TEST_CASE("rwkv7_state: what stands in columns passed over, NaN or not, reaches nothing") {
  GuardedInputs make(at::kFloat);
  const Rwkv7Shape s = {1, 4, 1, 8};
  std::vector<at::Tensor> x = leaves_of(random_rwkv7_columns(make, s), make.normal({1, 1, 8, 8}), at::kFloat);
  for (at::Tensor& each : x) each = each.detach();
  for (size_t i = 0; i < 6; ++i) x[i][0][2].fill_(std::numeric_limits<float>::quiet_NaN());
  const at::Tensor real_BT = at::tensor({1, 1, 0, 1}).to(at::kBool).unsqueeze(0);
  const Rwkv7Found found = rwkv7_state_differentiable(columns_of(x), x[6], real_BT);
  CHECK(found.state_BHEE.isfinite().all().item<bool>());
  CHECK(found.y_BTHE[0][2].eq(0).all().item<bool>());
}

TEST_CASE("rwkv7_state's backward is autograd's through the twin in fp64") {
  for (const Rwkv7Shape& s : {Rwkv7Shape{2, 5, 3, 8}, {3, 40, 2, 7}, {1, 33, 2, 64}, {1, 16, 1, 9}, {2, 17, 1, 16}}) {
    for (const bool ragged : {false, true}) {
      GuardedInputs make(at::kFloat);
      CAPTURE(make.seed());
      CAPTURE(s.size);
      CAPTURE(s.columns);
      CAPTURE(ragged);
      const Rwkv7Columns c = random_rwkv7_columns(make, s);
      const at::Tensor start = make.normal({s.rows, s.heads, s.size, s.size});
      const at::Tensor real_BT = ragged ? random_real(make, s) : at::Tensor();
      const auto got = leaves_of(c, start, at::kFloat);
      std::vector<at::Tensor> want;
      for (const at::Tensor& x : got) want.push_back(x.detach().to(at::kDouble).requires_grad_(true));
      mark(rwkv7_state_differentiable(columns_of(got), got[6], real_BT)).backward();
      mark(rwkv7_state_reference(columns_of(want), want[6], real_BT)).backward();
      for (size_t i = 0; i < got.size(); ++i) {
        CAPTURE(i);
        CHECK(scaled_error(got[i].grad(), want[i].grad()) < 2e-5);
      }
    }
  }
}

TEST_CASE("rwkv7_state's backward is the slope of its forward") {
  GuardedInputs make(at::kFloat);
  CAPTURE(make.seed());
  const Rwkv7Shape s = {1, 19, 1, 8};
  const auto x = leaves_of(random_rwkv7_columns(make, s), make.normal({1, 1, 8, 8}), at::kFloat);
  const auto value = [&](const std::vector<at::Tensor>& at_x) {
    const Rwkv7Found found = rwkv7_state_differentiable(columns_of(at_x), at_x[6]);
    return mark({found.y_BTHE.to(at::kDouble), found.state_BHEE.to(at::kDouble)});
  };
  value(x).backward();
  for (size_t i = 0; i < x.size(); ++i) {
    CAPTURE(i);
    const at::Tensor g = x[i].grad();
    const double norm = g.norm().item<double>(), step = 1e-2 / norm;
    const auto moved = [&](double by) {
      const at::NoGradGuard no_grad;
      std::vector<at::Tensor> other = x;
      other[i] = x[i] + g * (by * step);
      return value(other).item<double>();
    };
    CHECK((moved(1) - moved(-1)) / (2 * step) == doctest::Approx(norm * norm).epsilon(0.01));
  }
}

TEST_CASE("rwkv7_state asked for second derivatives says that it has none") {
  GuardedInputs make(at::kFloat);
  const auto x = leaves_of(random_rwkv7_columns(make, {1, 2, 1, 8}), make.normal({1, 1, 8, 8}), at::kFloat);
  const at::Tensor number = mark(rwkv7_state_differentiable(columns_of(x), x[6]));
  CHECK_THROWS_WITH(torch::autograd::grad({number}, {x[0]}, {}, std::nullopt, /*create_graph=*/true),
                    doctest::Contains("[rwkv7_state_backward] expected no request for second derivatives"));
}

TEST_CASE("rwkv7_state of nothing touches nothing") {
  rwkv7_state({.rows = 0, .columns = 3, .heads = 1, .size = 8}, {});
  rwkv7_state({.rows = 2, .columns = 0, .heads = 1, .size = 8}, {.device = DeviceKind::cuda});
}

TEST_CASE("rwkv7_state refuses arguments that cannot be meant, saying which") {
  float x[64] = {};
  const Rwkv7StateArgs good = {.rows = 1,
                               .columns = 1,
                               .heads = 1,
                               .size = 8,
                               .receptance_BTHE = x,
                               .decay_BTHE = x,
                               .key_BTHE = x,
                               .value_BTHE = x,
                               .removed_BTHE = x,
                               .rate_removed_BTHE = x,
                               .state_BHEE = x,
                               .y_BTHE = x};
  const auto with = [&](auto change) {
    Rwkv7StateArgs args = good;
    change(args);
    return args;
  };
  const struct {
    Rwkv7StateArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.rows = -1; }),
       "[rwkv7_state] expected inputs of at least 0 rows and columns, 1 head and size 1 but got [-1, 1, 1, 8]"},
      {with([](auto& a) { a.heads = 0; }),
       "[rwkv7_state] expected inputs of at least 0 rows and columns, 1 head and size 1 but got [1, 1, 0, 8]"},
      {with([](auto& a) { a.key_BTHE = nullptr; }), "[rwkv7_state] expected key_BTHE but it is null"},
      {with([](auto& a) { a.state_BHEE = nullptr; }), "[rwkv7_state] expected state_BHEE but it is null"},
      {with([&](auto& a) { a.checkpoints_BHNEE = x; }),
       "[rwkv7_state] expected a checkpoint every 1 or more columns but got 0"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(rwkv7_state(row.args, {}), row.message.c_str(), Error);
  CHECK_THROWS_WITH_AS(rwkv7_state_backward({.forward = good}, {}),
                       "[rwkv7_state_backward] expected checkpoints_BHNEE but it is null", Error);
  CHECK_THROWS_WITH_AS(rwkv7_state_backward({.forward = good}, {.device = DeviceKind::cuda}),
                       "[rwkv7_state_backward] expected the cpu: there is no version for cuda", Error);
}

}  // namespace
}  // namespace tacit::test
