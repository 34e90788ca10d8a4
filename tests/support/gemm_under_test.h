#pragma once

#include <ATen/ATen.h>

#include "lib/kernels/gemm/gemm.h"

namespace tacit::test {

// What gemm() promises on any of its paths, checked by doctest's CHECKs.
struct GemmUnderTest {
  GemmPath path = GemmPath::avx2;
  Scalar type = Scalar::fp32;

  at::TensorOptions options() const { return at::TensorOptions(type == Scalar::fp32 ? at::kFloat : at::kBFloat16); }
  at::Tensor normal(at::IntArrayRef shape) const;
  void multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias, bool add, const at::Tensor& y) const;
  at::Tensor product(const at::Tensor& a, const at::Tensor& b, const at::Tensor& bias = {}) const;

  void is_its_twin_at_any_size() const;
  void keeps_bits_beside_anything() const;
  void keeps_strange_numbers_apart() const;
};

}  // namespace tacit::test
