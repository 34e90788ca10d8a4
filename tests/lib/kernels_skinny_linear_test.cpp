#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/skinny_linear/skinny_linear.h"
#include "lib/kernels/skinny_linear/skinny_linear_reference.h"
#include "tests/support/guarded.h"

using namespace tacit;

namespace {

constexpr double kTolerance = 5e-6;  // of the largest value; sums of a thousand products in fp32

double error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace

TEST_CASE("skinny products are their twins', at any size, and write nothing else") {
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  at::manual_seed(seed);
  for (const int64_t rows : {1, 3, 4, 7, 16}) {
    for (const auto& [outputs, inputs] :
         {std::pair<int64_t, int64_t>{1, 1}, {5, 16}, {67, 33}, {130, 1040}, {1040, 130}}) {
      INFO(rows, " x ", outputs, " x ", inputs);
      const int64_t offset = rows % 3;  // away from the allocation's alignment
      const at::Tensor w = at::randn({outputs, inputs}), b = at::randn({outputs});
      const at::Tensor x = at::randn({rows, inputs}), dy = at::randn({rows, outputs});
      const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
      for (const bool with_bias : {false, true}) {
        test::Guarded y({rows, outputs}, at::TensorOptions(at::kFloat), offset);
        skinny_linear({.rows = rows,
                       .outputs = outputs,
                       .inputs = inputs,
                       .x = x.const_data_ptr<float>(),
                       .weight_OI = w.const_data_ptr<float>(),
                       .bias_O = with_bias ? b.const_data_ptr<float>() : nullptr,
                       .y = static_cast<float*>(y.data())});
        CHECK(error(y.tensor(), skinny_linear_reference(wide(x), wide(w), with_bias ? wide(b) : at::Tensor())) <
              kTolerance);
        CHECK(y.intact());
      }
      test::Guarded dx({rows, inputs}, at::TensorOptions(at::kFloat), offset);
      skinny_linear_transposed({.rows = rows,
                                .outputs = outputs,
                                .inputs = inputs,
                                .x = dy.const_data_ptr<float>(),
                                .weight_OI = w.const_data_ptr<float>(),
                                .y = static_cast<float*>(dx.data())});
      CHECK(error(dx.tensor(), skinny_linear_transposed_reference(wide(dy), wide(w))) < kTolerance);
      CHECK(dx.intact());
    }
  }
}

TEST_CASE("a row's products do not depend on the rows beside it, nor on the number of threads") {
  const int64_t outputs = 300, inputs = 530, most = 15;
  const at::Tensor w = at::randn({outputs, inputs}), x = at::randn({most, inputs}), dy = at::randn({most, outputs});
  const auto products = [&](int64_t first, int64_t rows) {
    const at::Tensor y = at::empty({rows, outputs}), dx = at::empty({rows, inputs});
    SkinnyLinearArgs args{.rows = rows, .outputs = outputs, .inputs = inputs, .weight_OI = w.const_data_ptr<float>()};
    args.x = x[first].const_data_ptr<float>();
    args.y = y.mutable_data_ptr<float>();
    skinny_linear(args);
    args.x = dy[first].const_data_ptr<float>();
    args.y = dx.mutable_data_ptr<float>();
    skinny_linear_transposed(args);
    return at::cat({y, dx}, 1);
  };
  const at::Tensor all = products(0, most);
  for (int64_t r = 0; r < most; ++r) CHECK(at::equal(products(r, 1)[0], all[r]));
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    CHECK(at::equal(products(0, most), all));
  }
  at::set_num_threads(before);
}

TEST_CASE("skinny products refuse what they cannot do") {
  const at::Tensor w = at::zeros({4, 4}), x = at::zeros({4, 4}), y = at::zeros({4, 4});
  const SkinnyLinearArgs good{.rows = 4,
                              .outputs = 4,
                              .inputs = 4,
                              .x = x.const_data_ptr<float>(),
                              .weight_OI = w.const_data_ptr<float>(),
                              .y = y.mutable_data_ptr<float>()};
  struct Case {
    std::function<void(SkinnyLinearArgs&)> spoil;
    std::string message;
  };
  const std::vector<Case> cases = {
      {[](auto& a) { a.rows = 17; }, "expected 0 to 16 rows but got 17"},
      {[](auto& a) { a.rows = -1; }, "expected 0 to 16 rows but got -1"},
      {[](auto& a) { a.outputs = 0; }, "expected at least one output"},
      {[](auto& a) { a.x = nullptr; }, "but x is null"},
      {[](auto& a) { a.weight_OI = nullptr; }, "but weight_OI is null"},
      {[](auto& a) { a.y = nullptr; }, "but y is null"},
      {[](auto& a) { a.x = a.y; }, "different arrays"},
  };
  for (const auto& [spoil, message] : cases) {
    SkinnyLinearArgs bad = good;
    spoil(bad);
    CHECK_THROWS_WITH_AS(skinny_linear(bad), doctest::Contains(message.c_str()), Error);
    CHECK_THROWS_WITH_AS(skinny_linear_transposed(bad), doctest::Contains(message.c_str()), Error);
  }
  SkinnyLinearArgs with_bias = good;
  with_bias.bias_O = good.x;
  CHECK_NOTHROW(skinny_linear(with_bias));
  CHECK_THROWS_WITH_AS(skinny_linear_transposed(with_bias), doctest::Contains("expected no bias_O"), Error);
}
