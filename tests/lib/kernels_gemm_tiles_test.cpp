#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cstring>
#include <iostream>
#include <thread>

#include "tests/support/gemm_under_test.h"

namespace tacit::test {
namespace {

constexpr GemmUnderTest kGemm{GemmPath::tiles, Scalar::bf16};

bool has_tiles_here() {
  const bool has = has_gemm(kGemm.path, kGemm.type);
  if (!has) std::cout << "TACIT-SKIP: a CPU without AMX tiles for bf16" << std::endl;
  return has;
}

}  // namespace

TEST_CASE("gemm by tiles is its twin in fp64, at any size, of any view, and writes nothing else") {
  if (has_tiles_here()) kGemm.is_its_twin_at_any_size();
}

TEST_CASE("gemm by tiles gives an element the same bits whatever stands beside it, however it lies, on any threads") {
  if (has_tiles_here()) kGemm.keeps_bits_beside_anything();
}

TEST_CASE("by tiles a number that is none reaches its own row or column only") {
  if (has_tiles_here()) kGemm.keeps_strange_numbers_apart();
}

TEST_CASE("LibTorch's own tiles and the kernel's do not disturb each other, nor do two threads of a caller") {
  if (!has_tiles_here()) return;
  const at::Tensor a = kGemm.normal({250, 500}), b = kGemm.normal({500, 250});  // tiles of other sizes
  const at::Tensor mine = kGemm.product(a, b), theirs = at::mm(a, b);
  for (int i = 0; i < 4; ++i) {
    CHECK(at::equal(at::mm(a, b), theirs));
    CHECK(at::equal(kGemm.product(a, b), mine));
  }
  at::Tensor other;
  std::thread thread([&] {
    for (int i = 0; i < 20; ++i) other = kGemm.product(a.slice(1, 0, 100), b.slice(0, 0, 100));
  });
  bool same = true;
  for (int i = 0; i < 20; ++i) same = same && at::equal(kGemm.product(a, b), mine);
  thread.join();
  CHECK(same);
  CHECK(at::equal(other, kGemm.product(a.slice(1, 0, 100), b.slice(0, 0, 100))));
}

#if defined(__x86_64__)
TEST_CASE("tiles that the caller had set up are set up again") {
  if (!has_tiles_here()) return;
  alignas(64) unsigned char mine[64] = {1}, after[64] = {};
  mine[16] = 8, mine[48] = 4;  // one tile of 4 rows of 8 bytes
  const at::Tensor a = kGemm.normal({40, 70}), b = kGemm.normal({70, 50});
  asm volatile("ldtilecfg %0" ::"m"(mine));
  kGemm.product(a, b);
  asm volatile("sttilecfg %0" : "=m"(after));
  asm volatile("tilerelease");
  CHECK(std::memcmp(mine, after, sizeof mine) == 0);
}
#endif

}  // namespace tacit::test
