#include "lib/model/products.h"

#include <doctest/doctest.h>

#include <optional>
#include <utility>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/gemm/gemm.h"

namespace tacit::test {
namespace {

// LibTorch's own bf16 draws are 0 now and then.
at::Tensor random(at::IntArrayRef shape, at::ScalarType type = at::kBFloat16) { return at::randn(shape).to(type); }

at::Tensor wide(const at::Tensor& x) { return x.defined() ? x.to(at::kDouble) : x; }

// Half a unit of bf16's last place, twice where a sum is rounded twice, and an error of fp32 sums.
bool near(const at::Tensor& got, const at::Tensor& want, double units = 1) {
  const at::Tensor bound = got.scalar_type() == at::kFloat ? want.abs() * 1e-6 + 2e-4
                                                           : want.abs() * (0.00391 * units) + 0.02 * (units - 1) + 1e-3;
  return got.sizes() == want.sizes() && (got.to(at::kDouble) - want).abs().le(bound).all().item<bool>();
}

// As many rows as LibTorch multiplies, as a kernel may, and past several of its blocks.
constexpr int64_t kRowCounts[] = {1, 40, 70, 192, 600};

// As it is made, and as GPT-2's files hold it.
std::vector<at::Tensor> weights(int64_t outputs, int64_t inputs, at::ScalarType type) {
  return {random({outputs, inputs}, type), random({inputs, outputs}, type).t()};
}

}  // namespace

TEST_CASE("linear layers multiply as fp64 does, whoever multiplies, whatever view the weight is") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const int64_t rows : kRowCounts) {
      for (const auto& [outputs, inputs] : {std::pair<int64_t, int64_t>{96, 64}, {50, 77}}) {
        for (const at::Tensor& weight : weights(outputs, inputs, type)) {
          INFO(type, ", ", rows, " rows, ", outputs, " x ", inputs, ", ",
               weight.is_contiguous() ? "as made" : "transposed");
          const at::Tensor x = random({rows, inputs}, type), dy = random({rows, outputs}, type);
          for (const at::Tensor& bias : {at::Tensor(), random({outputs}, type)}) {
            const at::Tensor want = at::linear(wide(x), wide(weight), wide(bias));
            CHECK(near(linear_product(x, weight, bias), want));
            CHECK(near(linear_product(x.view({1, rows, inputs}), weight, bias), want.unsqueeze(0)));
            const at::Tensor strided = at::cat({x, x}, 1).narrow(1, 0, inputs);
            CHECK(near(linear_product(strided, weight, bias), want));
          }
          CHECK(near(transposed_product(dy, weight), at::mm(wide(dy), wide(weight))));
          at::Tensor sum;
          const at::Tensor once = at::mm(wide(dy).t(), wide(x));
          add_outer_products(dy, x, sum);
          CHECK(near(sum, once));
          add_outer_products(dy, x, sum);
          CHECK(near(sum, 2 * once, 2));
        }
      }
    }
  }
}

TEST_CASE("products are gemm's where it has a fast path and many rows, else LibTorch's") {
  for (const auto& [type, scalar] : {std::pair{at::kFloat, Scalar::fp32}, {at::kBFloat16, Scalar::bf16}}) {
    const at::Tensor x = random({100, 40}, type), weight = random({30, 40}, type), got = linear_product(x, weight, {});
    const std::optional<GemmPath> path = fast_gemm(scalar);
    if (!path) {
      if (type == at::kFloat) CHECK(at::equal(got, at::linear(x, weight)));
      continue;
    }
    const at::Tensor y = at::empty({100, 30}, type);
    gemm(*path, {.type = scalar,
                 .rows = 100,
                 .columns = 30,
                 .depth = 40,
                 .a_MK = {x.const_data_ptr(), 40, 1},
                 .b_KN = {weight.const_data_ptr(), 1, 40},
                 .y_MN = y.mutable_data_ptr()});
    CHECK(at::equal(got, y));
  }
  const at::Tensor x = random({100, 40}, at::kDouble), weight = random({30, 40}, at::kDouble);
  CHECK(at::equal(linear_product(x, weight, {}), at::linear(x, weight)));
  CHECK(at::equal(transposed_product(x, weight.t()), at::mm(x, weight.t())));
}

TEST_CASE("products of any depth and of few outputs are right") {
  for (const auto& [outputs, inputs] : {std::pair<int64_t, int64_t>{40, 8200}, {1, 40}, {8200, 20}}) {
    const at::Tensor x = at::randn({100, inputs}), weight = at::randn({outputs, inputs}),
                     dy = at::randn({100, outputs});
    CHECK(at::allclose(linear_product(x, weight, {}).to(at::kDouble), at::linear(wide(x), wide(weight)), 1e-5, 1e-3));
    CHECK(at::allclose(transposed_product(dy, weight).to(at::kDouble), at::mm(wide(dy), wide(weight)), 1e-5, 1e-3));
  }
}

TEST_CASE("products of shapes that do not fit are refused, however many rows there are") {
  for (const int64_t rows : {4, 100}) {
    at::Tensor sum = random({30, 41});
    CHECK_THROWS(linear_product(random({rows, 40}), random({30, 41}), {}));
    CHECK_THROWS(linear_product(random({rows, 40}), random({30, 40}), random({31})));
    CHECK_THROWS(transposed_product(random({rows, 31}), random({30, 40})));
    CHECK_THROWS(add_outer_products(random({rows, 30}), random({rows, 40}), sum));
  }
}

}  // namespace tacit::test
