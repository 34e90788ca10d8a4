#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <doctest/doctest.h>

#include <random>

#include "tests/support/guarded.h"

namespace tacit::test {

// One row of a kernel's table of tolerances.
struct KernelTolerance {
  at::DeviceType device;
  at::ScalarType dtype;
  double most;  // what the check compares with it is the check's choice
};

// The largest |got - want| over the largest |want|, or over `least` where that is larger; both are compared in fp64 on
// the host.
inline double scaled_error(const at::Tensor& got, const at::Tensor& want, double least = 1e-30) {
  const at::Tensor wide = want.to(at::kCPU, at::kDouble);
  if (wide.numel() == 0) return 0;
  const at::Tensor error = (got.to(at::kCPU, at::kDouble) - wide).abs().max();
  return (error / wide.abs().max().clamp_min(least)).item<double>();
}

// For outputs that are rounded to `dtype`: fp32 as scaled_error(); bf16 an element, near the unit in its last place,
// with a floor under elements that are almost nothing beside the largest, or beside `least`.
inline double rounding_error(at::ScalarType dtype, const at::Tensor& got, const at::Tensor& want,
                             double least = 1e-30) {
  if (dtype == at::kFloat) return scaled_error(got, want, least);
  const at::Tensor wide = want.to(at::kCPU, at::kDouble).abs();
  if (wide.numel() == 0) return 0;
  const at::Tensor error = (got.to(at::kCPU, at::kDouble) - want.to(at::kCPU, at::kDouble)).abs();
  return (error / (wide + 1e-4 * wide.max().clamp_min(least))).max().item<double>();
}

// Fresh random numbers between guards, from a seed that is shown when a check fails.
class GuardedInputs {
 public:
  explicit GuardedInputs(at::TensorOptions options, int64_t offset = 0)
      : seed_(std::random_device()()),
        generator_(at::make_generator<at::CPUGeneratorImpl>(seed_)),
        options_(options),
        offset_(offset) {}

  uint64_t seed() const { return seed_; }
  at::Tensor normal(at::IntArrayRef shape) { return at::randn(shape, generator_, at::kDouble); }
  Guarded of(const at::Tensor& values) const {
    Guarded result(values.sizes(), options_, offset_);
    result.tensor().copy_(values);
    return result;
  }
  Guarded empty(at::IntArrayRef shape) const { return Guarded(shape, options_, offset_); }

 private:
  uint64_t seed_;
  at::Generator generator_;
  at::TensorOptions options_;
  int64_t offset_;
};

}  // namespace tacit::test
