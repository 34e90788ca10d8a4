#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <random>

#include "lib/kernels/rms_norm/rms_norm.h"
#include "lib/kernels/rms_norm/rms_norm_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/guarded.h"

namespace tacit::test {

// How the arrays of a call lie in memory.
enum class NormLayout { plain, residual, residual_unstored, sum_over_residual, sum_over_x, y_over_x };
constexpr NormLayout kNormLayouts[] = {
    NormLayout::plain,      NormLayout::residual, NormLayout::residual_unstored, NormLayout::sum_over_residual,
    NormLayout::sum_over_x, NormLayout::y_over_x};

struct NormCase {
  at::DeviceType device;
  at::ScalarType dtype;
  double
      tolerance;  // relative, an element; bf16: half a unit in the last place (2^-8), and a little for the fp32 inside
};

// The largest |got - want| / |want|; both are compared in fp64.
inline double elementwise_error(const at::Tensor& got, const at::Tensor& want) {
  const at::Tensor wide = want.to(at::kCPU, at::kDouble);
  const at::Tensor error = (got.to(at::kCPU, at::kDouble) - wide).abs() / wide.abs().clamp_min(1e-30);
  return error.max().item<double>();
}

// One call on fresh random numbers against the twin in fp64.
inline void check_rms_norm(const NormCase& entry, int64_t rows, int64_t size, NormLayout layout, int64_t offset = 0) {
  const uint64_t seed = std::random_device()();
  CAPTURE(c10::toString(entry.dtype));
  CAPTURE(rows);
  CAPTURE(size);
  CAPTURE(offset);
  CAPTURE(static_cast<int>(layout));
  CAPTURE(seed);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto options = at::TensorOptions(entry.device).dtype(entry.dtype);
  const auto random = [&](at::IntArrayRef shape) {
    Guarded result(shape, options, offset);
    result.tensor().copy_(at::randn(shape, generator, at::kDouble));
    return result;
  };
  const Guarded x = random({rows, size}), residual = random({rows, size}), weight = random({size});
  const Guarded new_sum({rows, size}, options, offset), new_y({rows, size}, options, offset);

  const bool adds = layout != NormLayout::plain && layout != NormLayout::y_over_x;
  const Guarded& sum = layout == NormLayout::sum_over_residual ? residual
                       : layout == NormLayout::sum_over_x      ? x
                                                               : new_sum;
  const Guarded& y = layout == NormLayout::y_over_x ? x : new_y;
  const bool stores_sum = adds && layout != NormLayout::residual_unstored;

  // The sum is rounded to the dtype by definition, the norm of that sum is what fp64 knows better.
  constexpr float kEps = 1e-5f;
  const at::Tensor sum_ND =
      rms_norm_reference(x.tensor(), weight.tensor(), kEps, adds ? residual.tensor() : at::Tensor()).sum_ND.clone();
  const at::Tensor y_ND = rms_norm_reference(sum_ND.to(at::kDouble), weight.tensor().to(at::kDouble), kEps).y_ND;

  rms_norm({.rows = rows,
            .size = size,
            .scalar = kernel_scalar(x.tensor(), "test"),
            .x_ND = x.data(),
            .residual_ND = adds ? residual.data() : nullptr,
            .weight_D = weight.data(),
            .eps = kEps,
            .sum_ND = stores_sum ? sum.data() : nullptr,
            .y_ND = y.data()},
           kernel_place(x.tensor(), "test"));

  CHECK(elementwise_error(y.tensor(), y_ND) <= entry.tolerance);
  if (stores_sum) CHECK(at::equal(sum.tensor(), sum_ND));
  for (const Guarded* array : {&x, &residual, &weight, &new_sum, &new_y}) CHECK(array->intact());
}

inline void check_rms_norm_everywhere(const NormCase& entry) {
  for (NormLayout layout : kNormLayouts) {
    for (int64_t size : {1, 7, 16, 64, 100, 768, 1031, 8192}) check_rms_norm(entry, 3, size, layout);
    check_rms_norm(entry, 5, 768, layout, /*offset=*/3);  // not aligned for vector loads
    check_rms_norm(entry, 700, 96, layout);               // enough for several threads
  }
}

}  // namespace tacit::test
