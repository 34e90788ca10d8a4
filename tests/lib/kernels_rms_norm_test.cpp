#include <limits>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "tests/lib/kernels_rms_norm_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("rms_norm on the CPU is its twin in fp64, at every size, alignment and layout") {
  for (const NormCase& entry : {NormCase{at::kCPU, at::kFloat, 1e-6}, NormCase{at::kCPU, at::kBFloat16, 0.00391}}) {
    check_rms_norm_everywhere(entry);
  }
}

TEST_CASE("rms_norm's twin: differentiable, any leading shape, its own dtype") {
  const auto x = at::randn({2, 3, 8}, at::kDouble), weight = at::randn({8}, at::kDouble);
  const RmsNormed normed = rms_norm_reference(x, weight, 0.5, x);
  const auto want = 2 * x / ((2 * x).square().sum(-1, true) / 8 + 0.5).sqrt() * weight;
  CHECK(at::allclose(normed.y_ND, want, 1e-12, 0));
  CHECK(at::equal(normed.sum_ND, 2 * x));
  const RmsNormed half = rms_norm_reference(x.to(at::kBFloat16), weight.to(at::kBFloat16), 0.5);
  CHECK(half.y_ND.dtype() == at::kBFloat16);
}

TEST_CASE("rms_norm keeps infinities and NaN visible in bf16") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (float odd : {nan, infinity}) {
    auto x = at::ones({2, 32}, at::kBFloat16), y = at::zeros({2, 32}, at::kBFloat16);
    x[0][5] = odd;
    const auto weight = at::ones({32}, at::kBFloat16);
    rms_norm({.rows = 2,
              .size = 32,
              .scalar = Scalar::bf16,
              .x_ND = x.data_ptr(),
              .weight_D = weight.data_ptr(),
              .y_ND = y.data_ptr()},
             {});
    CHECK(y[0][5].isnan().item<bool>());
    CHECK(y[1].eq(1).all().item<bool>());
  }
}

TEST_CASE("rms_norm of no rows touches nothing") {
  rms_norm({.rows = 0, .size = 8}, {});
  rms_norm({.rows = 0, .size = 8}, {.device = DeviceKind::cuda});
}

TEST_CASE("rms_norm refuses arguments that cannot be meant, saying which") {
  float x[8] = {}, y[8] = {}, weight[8] = {};
  const RmsNormArgs good = {.rows = 1, .size = 8, .x_ND = x, .weight_D = weight, .y_ND = y};
  const auto with = [&](auto change) {
    RmsNormArgs args = good;
    change(args);
    return args;
  };
  const struct {
    RmsNormArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.rows = -1; }), "[rms_norm] expected x_ND of at least 0 rows and size 1 but got [-1, 8]"},
      {with([](auto& a) { a.size = 0; }), "[rms_norm] expected x_ND of at least 0 rows and size 1 but got [1, 0]"},
      {with([](auto& a) { a.eps = -1; }), "[rms_norm] expected a finite eps >= 0 but got -1"},
      {with([](auto& a) { a.eps = std::numeric_limits<float>::quiet_NaN(); }),
       "[rms_norm] expected a finite eps >= 0 but got nan"},
      {with([](auto& a) { a.x_ND = nullptr; }), "[rms_norm] expected x_ND, weight_D and y_ND but x_ND is null"},
      {with([](auto& a) { a.weight_D = nullptr; }), "[rms_norm] expected x_ND, weight_D and y_ND but weight_D is null"},
      {with([](auto& a) { a.y_ND = nullptr; }), "[rms_norm] expected x_ND, weight_D and y_ND but y_ND is null"},
      {with([&](auto& a) { a.sum_ND = x; }), "[rms_norm] expected no sum_ND without a residual_ND"},
      {with([&](auto& a) { a.residual_ND = x, a.sum_ND = y; }),
       "[rms_norm] expected sum_ND and y_ND to be different arrays"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(rms_norm(row.args, {}), row.message.c_str(), Error);
}

TEST_CASE("tensors that no kernel takes are named") {
  CHECK_THROWS_WITH_AS(kernel_scalar(at::zeros({1}, at::kDouble), "norm"),
                       "[norm] expected a tensor of Float or BFloat16 but got Double", Error);
  CHECK_THROWS_WITH_AS(kernel_place(at::empty({1}, at::kMeta), "norm"),
                       "[norm] expected a tensor on cpu or cuda but got meta", Error);
}

}  // namespace
}  // namespace tacit::test
