#include <cmath>
#include <limits>
#include <string>

#include "lib/core/error.h"
#include "lib/kernels/gated_mlp/activation_lanes.h"
#include "tests/lib/kernels_gated_mlp_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("gated_mlp on the CPU, forward and backward, is its twin in fp64") {
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 2e-6}, {at::kBFloat16, 0.0040}}) {
    check_gated_mlp_everywhere({at::kCPU, dtype, most});
  }
}

TEST_CASE("every instruction set that this CPU has computes gates and their gradients as the twin does") {
  const int64_t count = 67;
  for (const MlpActivation activation : kMlpActivations) {
    for (const CpuVectors vectors : {CpuVectors::plain, CpuVectors::avx2, CpuVectors::avx512}) {
      if (vectors > cpu_vectors()) continue;
      CAPTURE(static_cast<int>(activation));
      CAPTURE(static_cast<int>(vectors));
      const at::Tensor gate = at::randn({count}) * 3, up = at::randn({count}) * 3, dy = at::randn({count});
      const Guarded y({count}, at::kFloat), d_gate({count}, at::kFloat), d_up({count}, at::kFloat);
      const GatedMlpArgs args = {.count = count,
                                 .activation = activation,
                                 .gate_N = gate.const_data_ptr(),
                                 .up_N = up.const_data_ptr(),
                                 .y_N = y.data()};
      gated_mlp_cpu(args, vectors);
      gated_mlp_backward_cpu(
          {.forward = args, .d_y_N = dy.const_data_ptr(), .d_gate_N = d_gate.data(), .d_up_N = d_up.data()}, vectors);
      const at::Tensor wide_gate = gate.to(at::kDouble).requires_grad_(), wide_up = up.to(at::kDouble).requires_grad_();
      const at::Tensor want = gated_mlp_reference(wide_gate, wide_up, activation);
      (want * dy).sum().backward();
      CHECK(scaled_error(y.tensor(), want.detach(), 1) < 2e-6);
      CHECK(scaled_error(d_up.tensor(), wide_up.grad(), 1) < 2e-6);
      CHECK(scaled_error(d_gate.tensor(), wide_gate.grad(), 1) < 2e-6);
      for (const Guarded* array : {&y, &d_gate, &d_up}) CHECK(array->intact());
    }
  }
}

TEST_CASE("gated_mlp's backward is the slope of its forward") {
  for (const MlpActivation activation : kMlpActivations) {
    CAPTURE(static_cast<int>(activation));
    for (const double x : {-3.0, -0.7, 0.4, 2.5}) {
      const auto value = [&](double at_x) {
        float gate = static_cast<float>(at_x), up = 2, y = 0;
        gated_mlp({.count = 1, .activation = activation, .gate_N = &gate, .up_N = &up, .y_N = &y}, {});
        return static_cast<double>(y);
      };
      float gate = static_cast<float>(x), up = 2, d_y = 1, d_gate = 0, d_up = 0, unused = 0;
      const GatedMlpArgs args = {.count = 1, .activation = activation, .gate_N = &gate, .up_N = &up, .y_N = &unused};
      gated_mlp_backward({.forward = args, .d_y_N = &d_y, .d_gate_N = &d_gate, .d_up_N = &d_up}, {});
      CHECK((value(x + 1e-2) - value(x - 1e-2)) / 2e-2 == doctest::Approx(d_gate).epsilon(1e-2).scale(0.1));
      CHECK(value(x) / 2 == doctest::Approx(d_up));
    }
  }
}

TACIT_CPU_CLONES void exponentials(const float* x, float* y) { store(y, exponential(load(x))); }
TACIT_CPU_CLONES void shares_below(const float* x, float* y) { store(y, normal_below(load(x))); }

TEST_CASE("e^x and the normal distribution are near the last place, and right at the ends") {
  double worst_exponential = 0, worst_share = 0, worst_tail = 0;
  for (int i = -87'000; i < 88'700; i += 8) {
    float x[8], small[8], y[8], z[8];
    for (int j = 0; j < 8; ++j) x[j] = static_cast<float>(i + j) * 1e-3f, small[j] = x[j] * 0.1f;
    exponentials(x, y);
    shares_below(small, z);
    for (int j = 0; j < 8; ++j) {
      const double e = std::exp(static_cast<double>(x[j]));
      const double share = 0.5 * std::erfc(-static_cast<double>(small[j]) / std::sqrt(2.0));
      worst_exponential = std::max(worst_exponential, std::abs(y[j] - e) / e);
      worst_share = std::max(worst_share, std::abs(z[j] - share));
      if (small[j] > -4) worst_tail = std::max(worst_tail, std::abs(z[j] - share) / share);
    }
  }
  constexpr double unit = 1.2e-7;  // 2^-23
  CHECK(worst_exponential < 2 * unit);
  CHECK(worst_share < unit);
  CHECK(worst_tail < 5e-5);  // of 1 + erf: 1e-3
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float ends[8] = {-infinity, infinity, nan, -1000, 1000, 0, -0.0f, 1e30f};
  float y[8], z[8];
  exponentials(ends, y);
  shares_below(ends, z);
  CHECK(y[0] == 0);
  CHECK(y[1] == infinity);
  CHECK(std::isnan(y[2]));
  CHECK(y[3] == 0);
  CHECK(y[4] == infinity);
  CHECK(y[5] == 1);
  CHECK(z[0] == 0);
  CHECK(z[1] == 1);
  CHECK(std::isnan(z[2]));
  CHECK(z[3] == 0);
  CHECK(z[5] == 0.5f);
  CHECK(z[7] == 1);
}

TEST_CASE("gated_mlp keeps NaN visible") {
  for (const MlpActivation activation : kMlpActivations) {
    CAPTURE(static_cast<int>(activation));
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor up = at::ones({29}, dtype);  // sixteen lanes, eight and a rest
      for (const int64_t at : {3, 18, 28}) up[at] = std::numeric_limits<float>::quiet_NaN();
      const at::Tensor y = gated_mlp_in_place({}, up, activation);
      for (const int64_t at : {3, 18, 28}) CHECK(y[at].isnan().item<bool>());
      CHECK(y.isnan().sum().item<int64_t>() == 3);
    }
  }
}

TEST_CASE("gated_mlp's bits at the ends do not depend on how many go together") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const MlpActivation activation : kMlpActivations) {
    CAPTURE(static_cast<int>(activation));
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      const at::Tensor values = at::linspace(-12, 12, 29);
      const float ends[] = {infinity, -infinity, 1000, -1000, 88.8f, -87.4f, 1e-40f, 0, -0.0f};
      for (int64_t i = 0; i < 9; ++i) values[3 * i] = ends[i];
      const at::Tensor x = values.to(dtype), together = gated_mlp_in_place({}, x.clone(), activation);
      for (int64_t i = 0; i < x.numel(); ++i) {
        CAPTURE(x[i].item<float>());
        const at::Tensor alone = gated_mlp_in_place({}, x.slice(0, i, i + 1).clone(), activation);
        CHECK((at::equal(alone, together.slice(0, i, i + 1)) ||
               (alone.isnan().item<bool>() && together[i].isnan().item<bool>())));
      }
    }
  }
}

TEST_CASE("gated_mlp of nothing touches nothing") {
  gated_mlp({.count = 0}, {});
  gated_mlp_backward({}, {.device = DeviceKind::cuda});
}

TEST_CASE("gated_mlp refuses arguments that cannot be meant, saying which") {
  float x[1] = {};
  CHECK_THROWS_WITH_AS(gated_mlp({.count = -1}, {}), "[gated_mlp] expected at least 0 elements but got -1", Error);
  CHECK_THROWS_WITH_AS(gated_mlp({.count = 1, .y_N = x}, {}), "[gated_mlp] expected up_N and y_N but up_N is null",
                       Error);
  CHECK_THROWS_WITH_AS(gated_mlp({.count = 1, .up_N = x}, {}), "[gated_mlp] expected up_N and y_N but y_N is null",
                       Error);
  CHECK_THROWS_WITH_AS(gated_mlp_backward({.forward = {.count = 1, .up_N = x}, .d_up_N = x}, {}),
                       "[gated_mlp_backward] expected up_N, d_y_N and d_up_N but d_y_N is null", Error);
  CHECK_THROWS_WITH_AS(
      gated_mlp_backward({.forward = {.count = 1, .gate_N = x, .up_N = x}, .d_y_N = x, .d_up_N = x}, {}),
      "[gated_mlp_backward] expected d_gate_N where there is a gate_N, and only there", Error);
  CHECK_THROWS_WITH_AS(gated_mlp_in_place(at::ones({2}), at::ones({3}), MlpActivation::silu),
                       "[gated_mlp] expected a gate of 3 elements of Float but got 2", Error);
}

}  // namespace
}  // namespace tacit::test
