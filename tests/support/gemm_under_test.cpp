#include "tests/support/gemm_under_test.h"

#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <utility>

#include "lib/kernels/gemm/gemm_reference.h"
#include "tests/support/guarded.h"

namespace tacit::test {
namespace {

// Random numbers as a view: row-major, transposed, or with room between its rows or columns, away from alignment.
enum class View { rows, columns, wide_rows, wide_columns };
constexpr View kViews[] = {View::rows, View::columns, View::wide_rows, View::wide_columns};
at::Tensor random(const GemmUnderTest& gemm, int64_t rows, int64_t columns, View view) {
  const bool by_columns = view == View::columns || view == View::wide_columns;
  const int64_t room = view == View::wide_rows || view == View::wide_columns ? 5 : 0;
  const int64_t outer = by_columns ? columns : rows, inner = by_columns ? rows : columns;
  const at::Tensor buffer = gemm.normal({outer, inner + 2 * room});
  // What lies between must not be read as a number.
  buffer.narrow(1, 0, room).fill_(std::numeric_limits<float>::quiet_NaN());
  buffer.narrow(1, inner + room, room).fill_(std::numeric_limits<float>::quiet_NaN());
  const at::Tensor inside = buffer.narrow(1, room, inner);
  return by_columns ? inside.t() : inside;
}

// Half a unit of the type's last place, and an error of fp32 sums by the size of what is summed.
bool is_rounded_sum(const at::Tensor& got, const at::Tensor& want, const at::Tensor& size) {
  const double unit = got.scalar_type() == at::kFloat ? 6e-8 : 0.00391;
  const at::Tensor error = (got.to(at::kDouble) - want).abs(), bound = want.abs() * unit + size * 2e-6;
  return error.le(bound).all().item<bool>();
}

}  // namespace

// LibTorch's own bf16 draws are 0 now and then.
at::Tensor GemmUnderTest::normal(at::IntArrayRef shape) const { return at::randn(shape).to(options().dtype()); }

void GemmUnderTest::multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add,
                             const at::Tensor& y) const {
  gemm(path, {.type = type,
              .rows = a.size(0),
              .columns = b.size(1),
              .depth = a.size(1),
              .a_MK = {a.const_data_ptr(), a.stride(0), a.stride(1)},
              .b_KN = {b.const_data_ptr(), b.stride(0), b.stride(1)},
              .bias_N = bias.defined() ? bias.const_data_ptr() : nullptr,
              .add = add,
              .y_MN = y.mutable_data_ptr()});
}

at::Tensor GemmUnderTest::product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias) const {
  const at::Tensor y = at::empty({a.size(0), b.size(1)}, options());
  multiply(a, b, bias, false, y);
  return y;
}

void GemmUnderTest::is_its_twin_at_any_size() const {
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  at::manual_seed(seed);
  struct Size {
    int64_t rows, depth, columns;
  };
  // One of everything, around blocks of 32 (avx2: 6 x 16), several slabs of rows, depths in pieces of 4096 on either
  // side, and more columns of great depth than are packed at a time.
  constexpr Size kSizes[] = {{1, 1, 1},     {16, 32, 16},   {31, 31, 33},    {32, 64, 32},    {65, 95, 1},
                             {1, 100, 70},  {300, 40, 100}, {100, 40, 600},  {700, 33, 290},  {40, 4129, 70},
                             {600, 64, 40}, {40, 64, 600},  {300, 4224, 33}, {290, 8200, 33}, {7, 8200, 150}};
  const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
  for (const auto& [M, K, N] : kSizes) {
    for (const View of_a : kViews) {
      for (const View of_b : kViews) {
        INFO(M, " x ", K, " x ", N, ", views ", static_cast<int>(of_a), " and ", static_cast<int>(of_b));
        const at::Tensor a = random(*this, M, K, of_a), b = random(*this, K, N, of_b), bias = normal({N});
        const at::Tensor size = at::mm(wide(a).abs(), wide(b).abs()) + 3;
        const at::Tensor before = normal({M, N});
        for (const bool add : {false, true}) {
          for (const at::Tensor& with : {at::Tensor(), bias}) {
            const Guarded y({M, N}, options(), (M + N) % 3);
            if (add) y.tensor().copy_(before);
            multiply(a, b, with, add, y.tensor());
            const at::Tensor want =
                gemm_reference(wide(a), wide(b), with.defined() ? wide(with) : with, add ? before : at::Tensor());
            CHECK(is_rounded_sum(y.tensor(), want, size));
            CHECK(y.intact());
          }
        }
      }
    }
  }
}

void GemmUnderTest::keeps_bits_beside_anything() const {
  for (const int64_t K : {77, 96, 4200, 4224}) {  // multiples of 32 are multiplied where they lie
    const int64_t M = 300, N = 90;
    const at::Tensor a = normal({M, K}), b = normal({K, N}), bias = normal({N});
    const at::Tensor all = product(a, b, bias);
    CHECK(at::equal(product(a.t().contiguous().t(), b.t().contiguous().t(), bias), all));
    for (const auto& [first, rows] : {std::pair<int64_t, int64_t>{0, 1}, {299, 1}, {17, 50}, {31, 260}}) {
      CHECK(at::equal(product(a.narrow(0, first, rows), b, bias), all.narrow(0, first, rows)));
    }
    CHECK(at::equal(product(a, b.narrow(1, 33, 20), bias.narrow(0, 33, 20)), all.narrow(1, 33, 20)));
    // On the other side: more columns than rows.
    CHECK(at::equal(product(b.t(), a.t()).t(), product(a, b)));
    const int before = at::get_num_threads();
    for (const int threads : {1, 2, 3}) {
      at::set_num_threads(threads);
      CHECK(at::equal(product(a, b, bias), all));
    }
    at::set_num_threads(before);
  }
}

void GemmUnderTest::keeps_strange_numbers_apart() const {
  const at::Tensor a = normal({70, 45}), b = normal({45, 50});
  a[33][44] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = product(a, b);
  CHECK(y[33].isnan().all().item<bool>());
  CHECK(y.isnan().sum().item<int64_t>() == 50);
  a[33][44] = std::numeric_limits<float>::infinity();
  CHECK(product(a, b)[33].isinf().all().item<bool>());
}

}  // namespace tacit::test
