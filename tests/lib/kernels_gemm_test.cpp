#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "lib/core/error.h"
#include "lib/kernels/gemm/gemm.h"

namespace tacit::test {

constexpr GemmPath kPaths[] = {GemmPath::tiles, GemmPath::avx2};

TEST_CASE("gemm of no rows or no columns touches nothing, on any CPU") {
  for (const GemmPath path : kPaths) {
    gemm(path, {.rows = 0, .columns = 8, .depth = 8, .a_MK = {}, .b_KN = {}});
    gemm(path, {.rows = 8, .columns = 0, .depth = 8, .a_MK = {}, .b_KN = {}});
  }
}

TEST_CASE("gemm refuses what it cannot do, saying which") {
  float a[64] = {}, b[64] = {}, y[64] = {};
  const GemmArgs good{.rows = 8, .columns = 8, .depth = 8, .a_MK = {a, 8}, .b_KN = {b, 8}, .y_MN = y};
  struct Case {
    std::function<void(GemmArgs&)> spoil;
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
    GemmArgs bad = good;
    spoil(bad);
    for (const GemmPath path : kPaths) CHECK_THROWS_WITH_AS(gemm(path, bad), doctest::Contains(message.c_str()), Error);
  }
  CHECK_THROWS_WITH_AS(gemm(GemmPath::tiles, good), doctest::Contains("expected bf16 and a CPU with AMX"), Error);
  GemmArgs in_bf16 = good;
  in_bf16.type = Scalar::bf16;
  if (!has_gemm(GemmPath::tiles, Scalar::bf16)) {
    CHECK_THROWS_WITH_AS(gemm(GemmPath::tiles, in_bf16), doctest::Contains("expected bf16 and a CPU with AMX"), Error);
  }
  if (!has_gemm(GemmPath::avx2, Scalar::fp32)) {
    CHECK_THROWS_WITH_AS(gemm(GemmPath::avx2, good), doctest::Contains("expected a CPU with AVX2"), Error);
  }
}

}  // namespace tacit::test
