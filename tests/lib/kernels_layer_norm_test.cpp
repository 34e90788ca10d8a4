#include <limits>
#include <string>

#include "lib/core/error.h"
#include "tests/lib/kernels_layer_norm_checks.h"

namespace tacit::test {
namespace {

TEST_CASE("layer_norm on the CPU is its twin in fp64, at every size, alignment and layout") {
  for (const auto& [dtype, most] : {std::pair{at::kFloat, 1e-6}, {at::kBFloat16, 0.0040}}) {
    check_layer_norm_everywhere({at::kCPU, dtype, most});
  }
}

TEST_CASE("layer_norm's twin is LibTorch's, differentiable, of any leading shape") {
  const auto x = at::randn({2, 3, 8}, at::kDouble), weight = at::randn({8}, at::kDouble),
             bias = at::randn({8}, at::kDouble);
  const LayerNormed normed = layer_norm_reference(x, weight, bias, 0.5, x);
  CHECK(at::allclose(normed.y_ND, at::layer_norm(2 * x, {8}, weight, bias, 0.5), 1e-12, 1e-12));
  CHECK(at::equal(normed.sum_ND, 2 * x));
}

TEST_CASE("layer_norm keeps a row's deviation beside a mean ten thousand times its size") {
  const auto x = at::randn({4, 768}) + 1e4, weight = at::ones({768});
  const auto y = at::empty_like(x);
  layer_norm({.rows = 4, .size = 768, .x_ND = x.data_ptr(), .weight_D = weight.data_ptr(), .y_ND = y.data_ptr()}, {});
  CHECK(scaled_error(y, layer_norm_reference(x.to(at::kDouble), weight.to(at::kDouble), {}, 1e-5).y_ND) < 1e-3);
}

TEST_CASE("layer_norm keeps infinities and NaN visible in bf16") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (float odd : {nan, infinity}) {
    auto x = at::randn({2, 32}).to(at::kBFloat16), y = at::zeros({2, 32}, at::kBFloat16);
    x[0][5] = odd;
    const auto weight = at::ones({32}, at::kBFloat16);
    layer_norm({.rows = 2,
                .size = 32,
                .scalar = Scalar::bf16,
                .x_ND = x.data_ptr(),
                .weight_D = weight.data_ptr(),
                .y_ND = y.data_ptr()},
               {});
    CHECK(y[0].isnan().any().item<bool>());
    CHECK(y[1].isfinite().all().item<bool>());
  }
}

TEST_CASE("layer_norm of no rows touches nothing") {
  layer_norm({.rows = 0, .size = 8}, {});
  layer_norm({.rows = 0, .size = 8}, {.device = DeviceKind::cuda});
}

TEST_CASE("layer_norm refuses arguments that cannot be meant, saying which") {
  float x[8] = {}, y[8] = {}, weight[8] = {};
  const LayerNormArgs good = {.rows = 1, .size = 8, .x_ND = x, .weight_D = weight, .y_ND = y};
  const auto with = [&](auto change) {
    LayerNormArgs args = good;
    change(args);
    return args;
  };
  const struct {
    LayerNormArgs args;
    std::string message;
  } table[] = {
      {with([](auto& a) { a.rows = -1; }), "[layer_norm] expected x_ND of at least 0 rows and size 1 but got [-1, 8]"},
      {with([](auto& a) { a.eps = -1; }), "[layer_norm] expected a finite eps >= 0 but got -1"},
      {with([](auto& a) { a.x_ND = nullptr; }), "[layer_norm] expected x_ND, weight_D and y_ND but x_ND is null"},
      {with([](auto& a) { a.y_ND = nullptr; }), "[layer_norm] expected x_ND, weight_D and y_ND but y_ND is null"},
      {with([&](auto& a) { a.sum_ND = x; }), "[layer_norm] expected no sum_ND without a residual_ND"},
      {with([&](auto& a) { a.residual_ND = x, a.sum_ND = y; }),
       "[layer_norm] expected sum_ND and y_ND to be different arrays"},
  };
  for (const auto& row : table) CHECK_THROWS_WITH_AS(layer_norm(row.args, {}), row.message.c_str(), Error);
}

}  // namespace
}  // namespace tacit::test
