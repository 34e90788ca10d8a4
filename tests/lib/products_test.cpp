#include "lib/model/products.h"

#include <doctest/doctest.h>

#include <vector>

#include "lib/core/error.h"

namespace tacit::test {
namespace {

// LibTorch's own bf16 draws are 0 now and then.
at::Tensor random_bf16(at::IntArrayRef shape) { return at::randn(shape).to(at::kBFloat16); }

at::Tensor wide(const at::Tensor& x) { return x.defined() ? x.to(at::kDouble) : x; }

// Half a unit of bf16's last place, twice where a sum is rounded twice, and an error of fp32 sums.
bool near(const at::Tensor& got, const at::Tensor& want, double units = 1) {
  const at::Tensor bound = want.abs() * (0.00391 * units) + 0.02 * (units - 1) + 1e-3;
  return got.sizes() == want.sizes() && (got.to(at::kDouble) - want).abs().le(bound).all().item<bool>();
}

// As many rows as LibTorch multiplies, as a kernel may, and past several of its blocks.
constexpr int64_t kRowCounts[] = {1, 40, 70, 192, 600};

// As it is made, and as GPT-2's files hold it.
std::vector<at::Tensor> weights(int64_t outputs, int64_t inputs) {
  return {random_bf16({outputs, inputs}), random_bf16({inputs, outputs}).t()};
}

}  // namespace

TEST_CASE("linear layers in bf16 multiply as fp64 does, whoever multiplies, whatever view the weight is") {
  for (const int64_t rows : kRowCounts) {
    for (const auto& [outputs, inputs] : {std::pair<int64_t, int64_t>{96, 64}, {50, 77}}) {
      for (const at::Tensor& weight : weights(outputs, inputs)) {
        INFO(rows, " rows, ", outputs, " x ", inputs, ", ", weight.is_contiguous() ? "as made" : "transposed");
        const at::Tensor x = random_bf16({rows, inputs}), dy = random_bf16({rows, outputs});
        for (const at::Tensor& bias : {at::Tensor(), random_bf16({outputs})}) {
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

TEST_CASE("products of fp32 stay LibTorch's") {
  const at::Tensor x = at::randn({100, 40}), weight = at::randn({30, 40}), dy = at::randn({100, 30});
  CHECK(at::equal(linear_product(x, weight, {}), at::linear(x, weight)));
  CHECK(at::equal(transposed_product(dy, weight), at::mm(dy, weight)));
}

TEST_CASE("products of shapes that do not fit are refused, however many rows there are") {
  for (const int64_t rows : {4, 100}) {
    at::Tensor sum = random_bf16({30, 41});
    CHECK_THROWS(linear_product(random_bf16({rows, 40}), random_bf16({30, 41}), {}));
    CHECK_THROWS(linear_product(random_bf16({rows, 40}), random_bf16({30, 40}), random_bf16({31})));
    CHECK_THROWS(transposed_product(random_bf16({rows, 31}), random_bf16({30, 40})));
    CHECK_THROWS(add_outer_products(random_bf16({rows, 30}), random_bf16({rows, 40}), sum));
  }
}

}  // namespace tacit::test
