#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <iostream>
#include <thread>

#include "lib/kernels/packed_linear/packed_panels.h"
#include "tests/lib/kernels_packed_linear_checks.h"
#include "tests/support/gemm_under_test.h"

namespace tacit::test {
namespace {

constexpr GemmUnderTest kGemms[] = {{GemmPath::avx2, Scalar::fp32}, {GemmPath::avx2, Scalar::bf16}};

bool has_avx2_here() {
  const bool has = has_gemm(GemmPath::avx2, Scalar::fp32);
  if (!has) std::cout << "TACIT-SKIP: a CPU without AVX2" << std::endl;
  return has;
}

}  // namespace

TEST_CASE("gemm by AVX2 is its twin in fp64, at any size, of any view, and writes nothing else") {
  if (!has_avx2_here()) return;
  for (const GemmUnderTest& gemm : kGemms) gemm.is_its_twin_at_any_size();
}

TEST_CASE("gemm by AVX2 gives an element the same bits whatever stands beside it, however it lies, on any threads") {
  if (!has_avx2_here()) return;
  for (const GemmUnderTest& gemm : kGemms) gemm.keeps_bits_beside_anything();
}

TEST_CASE("by AVX2 a number that is none reaches its own row or column only") {
  if (!has_avx2_here()) return;
  for (const GemmUnderTest& gemm : kGemms) gemm.keeps_strange_numbers_apart();
}

TEST_CASE("gemm by AVX2 sums in the order of the depth") {
  if (!has_avx2_here()) return;
  const int64_t M = 40, K = 99, N = 35;
  for (const GemmUnderTest& gemm : kGemms) {
    const at::Tensor a = gemm.normal({M, K}), b = gemm.normal({K, N}), bias = gemm.normal({N});
    const at::Tensor wide_a = a.to(at::kFloat), wide_b = b.to(at::kFloat), wide_bias = bias.to(at::kFloat);
    const auto a_at = wide_a.accessor<float, 2>();
    const auto b_at = wide_b.accessor<float, 2>();
    const at::Tensor want = at::empty({M, N}, at::kFloat);
    for (int64_t i = 0; i < M; ++i) {
      for (int64_t j = 0; j < N; ++j) {
        float sum = 0;
        for (int64_t k = 0; k < K; ++k) sum = std::fma(a_at[i][k], b_at[k][j], sum);
        want.accessor<float, 2>()[i][j] = sum + wide_bias.accessor<float, 1>()[j];
      }
    }
    CHECK(at::equal(gemm.product(a, b, bias), want.to(gemm.options().dtype())));
  }
}

TEST_CASE("gemm by AVX2 gives a token the bits that a step of packed_linear gives it") {
  if (!has_avx2_here()) return;
  const int64_t M = 70, I = 301;
  for (const GemmUnderTest& gemm : kGemms) {
    const bool fp32 = gemm.type == Scalar::fp32;
    const at::Tensor weight = gemm.normal({kPanel, I}), x = gemm.normal({M, I});
    const at::Tensor wide_x = x.to(at::kFloat), step = at::empty({M, kPanel}, at::kFloat);
    const DeviceWeights packed(weight, WeightFormat::scalar);
    panel_product(fp32 ? PanelKind::fp32 : PanelKind::bf16)({.weight = packed.data(),
                                                             .inputs = I,
                                                             .rows = M,
                                                             .x = wide_x.const_data_ptr<float>(),
                                                             .x_stride = I,
                                                             .y = step.mutable_data_ptr<float>()});
    CHECK(at::equal(gemm.product(x, weight.t()), step.to(gemm.options().dtype())));
  }
}

TEST_CASE("two threads of a caller that multiply by AVX2 do not disturb each other") {
  if (!has_avx2_here()) return;
  const GemmUnderTest& gemm = kGemms[0];
  const at::Tensor a = gemm.normal({250, 500}), b = gemm.normal({500, 250}), mine = gemm.product(a, b);
  at::Tensor other;
  std::thread thread([&] {
    for (int i = 0; i < 20; ++i) other = gemm.product(a.slice(1, 0, 100), b.slice(0, 0, 100));
  });
  bool same = true;
  for (int i = 0; i < 20; ++i) same = same && at::equal(gemm.product(a, b), mine);
  thread.join();
  CHECK(same);
  CHECK(at::equal(other, gemm.product(a.slice(1, 0, 100), b.slice(0, 0, 100))));
}

}  // namespace tacit::test
