#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/bf16_gemm/bf16_gemm.h"
#include "lib/kernels/bf16_gemm/bf16_gemm_reference.h"
#include "tests/support/guarded.h"

namespace tacit::test {
namespace {

bool has_tiles_here() {
  if (!has_bf16_gemm()) std::cout << "TACIT-SKIP: a CPU without AMX tiles for bf16" << std::endl;
  return has_bf16_gemm();
}

const at::TensorOptions kBf16(at::kBFloat16);

// LibTorch's own bf16 draws are 0 now and then.
at::Tensor normal(at::IntArrayRef shape) { return at::randn(shape).to(at::kBFloat16); }

Bf16* numbers(const at::Tensor& x) { return static_cast<Bf16*>(x.data_ptr()); }

void multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, const at::Tensor& y) {
  bf16_gemm({.rows = a.size(0),
             .columns = b.size(1),
             .depth = a.size(1),
             .a_MK = {numbers(a), a.stride(0), a.stride(1)},
             .b_KN = {numbers(b), b.stride(0), b.stride(1)},
             .bias_N = bias.defined() ? numbers(bias) : nullptr,
             .add = add,
             .y_MN = numbers(y)});
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias = {}) {
  const at::Tensor y = at::empty({a.size(0), b.size(1)}, kBf16);
  multiply(a, b, bias, false, y);
  return y;
}

// Random numbers as a view: row-major, transposed, or with room between its rows or columns, away from alignment.
enum class View { rows, columns, wide_rows, wide_columns };
constexpr View kViews[] = {View::rows, View::columns, View::wide_rows, View::wide_columns};
at::Tensor random(int64_t rows, int64_t columns, View view) {
  const bool by_columns = view == View::columns || view == View::wide_columns;
  const int64_t room = view == View::wide_rows || view == View::wide_columns ? 5 : 0;
  const int64_t outer = by_columns ? columns : rows, inner = by_columns ? rows : columns;
  const at::Tensor buffer = normal({outer, inner + 2 * room});
  // What lies between must not be read as a number.
  buffer.narrow(1, 0, room).fill_(std::numeric_limits<float>::quiet_NaN());
  buffer.narrow(1, inner + room, room).fill_(std::numeric_limits<float>::quiet_NaN());
  const at::Tensor inside = buffer.narrow(1, room, inner);
  return by_columns ? inside.t() : inside;
}

// Half a unit of bf16's last place, and an error of fp32 sums by the size of what is summed.
bool is_rounded_sum(const at::Tensor& got, const at::Tensor& want, const at::Tensor& size) {
  const at::Tensor error = (got.to(at::kDouble) - want).abs(), bound = want.abs() * 0.00391 + size * 2e-6;
  return error.le(bound).all().item<bool>();
}

}  // namespace

TEST_CASE("bf16_gemm is its twin in fp64, at any size, of any view, and writes nothing else") {
  if (!has_tiles_here()) return;
  const uint64_t seed = std::random_device()();
  CAPTURE(seed);
  at::manual_seed(seed);
  struct Size {
    int64_t rows, depth, columns;
  };
  // One of everything, around blocks of 32, several slabs of 256, depths in pieces of 4096 on either side.
  constexpr Size kSizes[] = {{1, 1, 1},     {16, 32, 16},   {31, 31, 33},    {32, 64, 32},   {65, 95, 1},
                             {1, 100, 70},  {300, 40, 100}, {100, 40, 600},  {700, 33, 290}, {40, 4129, 70},
                             {600, 64, 40}, {40, 64, 600},  {300, 4224, 33}, {290, 8200, 33}};
  const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
  for (const auto& [M, K, N] : kSizes) {
    for (const View of_a : kViews) {
      for (const View of_b : kViews) {
        INFO(M, " x ", K, " x ", N, ", views ", static_cast<int>(of_a), " and ", static_cast<int>(of_b));
        const at::Tensor a = random(M, K, of_a), b = random(K, N, of_b), bias = normal({N});
        const at::Tensor size = at::mm(wide(a).abs(), wide(b).abs()) + 3;
        const at::Tensor before = normal({M, N});
        for (const bool add : {false, true}) {
          for (const at::Tensor& with : {at::Tensor(), bias}) {
            const Guarded y({M, N}, kBf16, (M + N) % 3);
            if (add) y.tensor().copy_(before);
            multiply(a, b, with, add, y.tensor());
            const at::Tensor want =
                bf16_gemm_reference(wide(a), wide(b), with.defined() ? wide(with) : with, add ? before : at::Tensor());
            CHECK(is_rounded_sum(y.tensor(), want, size));
            CHECK(y.intact());
          }
        }
      }
    }
  }
}

TEST_CASE("bf16_gemm gives an element the same bits whatever stands beside it, however it lies, on any threads") {
  if (!has_tiles_here()) return;
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

TEST_CASE("a number that is none reaches its own row or column only") {
  if (!has_tiles_here()) return;
  const at::Tensor a = normal({70, 45}), b = normal({45, 50});
  a[33][44] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor y = product(a, b);
  CHECK(y[33].isnan().all().item<bool>());
  CHECK(y.isnan().sum().item<int64_t>() == 50);
  a[33][44] = std::numeric_limits<float>::infinity();
  CHECK(product(a, b)[33].isinf().all().item<bool>());
}

TEST_CASE("LibTorch's own tiles and the kernel's do not disturb each other, nor do two threads of a caller") {
  if (!has_tiles_here()) return;
  const at::Tensor a = normal({250, 500}), b = normal({500, 250});  // tiles of other sizes
  const at::Tensor mine = product(a, b), theirs = at::mm(a, b);
  for (int i = 0; i < 4; ++i) {
    CHECK(at::equal(at::mm(a, b), theirs));
    CHECK(at::equal(product(a, b), mine));
  }
  at::Tensor other;
  std::thread thread([&] {
    for (int i = 0; i < 20; ++i) other = product(a.slice(1, 0, 100), b.slice(0, 0, 100));
  });
  bool same = true;
  for (int i = 0; i < 20; ++i) same = same && at::equal(product(a, b), mine);
  thread.join();
  CHECK(same);
  CHECK(at::equal(other, product(a.slice(1, 0, 100), b.slice(0, 0, 100))));
}

#if defined(__x86_64__)
TEST_CASE("tiles that the caller had set up are set up again") {
  if (!has_tiles_here()) return;
  alignas(64) unsigned char mine[64] = {1}, after[64] = {};
  mine[16] = 8, mine[48] = 4;  // one tile of 4 rows of 8 bytes
  const at::Tensor a = normal({40, 70}), b = normal({70, 50});
  asm volatile("ldtilecfg %0" ::"m"(mine));
  product(a, b);
  asm volatile("sttilecfg %0" : "=m"(after));
  asm volatile("tilerelease");
  CHECK(std::memcmp(mine, after, sizeof mine) == 0);
}
#endif

TEST_CASE("bf16_gemm of no rows or no columns touches nothing, on any CPU") {
  bf16_gemm({.rows = 0, .columns = 8, .depth = 8, .a_MK = {}, .b_KN = {}});
  bf16_gemm({.rows = 8, .columns = 0, .depth = 8, .a_MK = {}, .b_KN = {}});
}

TEST_CASE("bf16_gemm refuses what it cannot do, saying which") {
  Bf16 a[64] = {}, b[64] = {}, y[64] = {};
  const Bf16GemmArgs good{.rows = 8, .columns = 8, .depth = 8, .a_MK = {a, 8}, .b_KN = {b, 8}, .y_MN = y};
  struct Case {
    std::function<void(Bf16GemmArgs&)> spoil;
    std::string message;
  };
  const std::vector<Case> cases = {
      {[](auto& x) { x.rows = -1; }, "but got -1, 8 and 8"},
      {[](auto& x) { x.depth = 0; }, "a depth of 1 but got 8, 8 and 0"},
      {[](auto& x) { x.a_MK.data = nullptr; }, "expected a_MK but it is null"},
      {[](auto& x) { x.b_KN.data = nullptr; }, "expected b_KN but it is null"},
      {[](auto& x) { x.b_KN.column_stride = 2; }, "expected b_KN to have a stride of 1 but got 8 between rows and 2"},
      {[](auto& x) { x.y_MN = nullptr; }, "expected y_MN but it is null"},
      {[&](auto& x) { x.y_MN = a; }, "another array than a_MK and b_KN"},
  };
  for (const auto& [spoil, message] : cases) {
    Bf16GemmArgs bad = good;
    spoil(bad);
    CHECK_THROWS_WITH_AS(bf16_gemm(bad), doctest::Contains(message.c_str()), Error);
  }
  if (!has_bf16_gemm()) CHECK_THROWS_WITH_AS(bf16_gemm(good), doctest::Contains("expected a CPU with AMX"), Error);
}

}  // namespace tacit::test
