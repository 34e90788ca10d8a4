#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "lib/kernels/huge_pages.h"
#include "lib/kernels/int8_rows.h"
#include "lib/kernels/packed_linear/packed_linear.h"
#include "lib/kernels/packed_linear/packed_linear_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/guarded.h"

namespace tacit::test {

struct PackedLinearCase {
  at::DeviceType device;
  at::ScalarType weights, activations;
  double tolerance;  // of the largest |y|, or of the deviation of y over inputs; bf16 activations: half a unit in the
                     // last place (2^-8) and a little
  WeightFormat format = WeightFormat::scalar;  // int8: CPU only
};

// The numbers that int8 holds, for the twin.
inline at::Tensor held(const at::Tensor& weight_OI, WeightFormat format) {
  return format == WeightFormat::int8 ? from_int8(to_int8(weight_OI), at::kFloat) : weight_OI;
}

// A matrix as the device's packed_linear reads it.
class DeviceWeights {
 public:
  explicit DeviceWeights(const at::Tensor& weight_OI, WeightFormat format = WeightFormat::scalar) {
    if (!weight_OI.is_cpu()) {
      on_device_ = weight_OI.contiguous();
      return;
    }
    const Scalar scalar = kernel_scalar(weight_OI, "test");
    packed_ = std::make_unique<HugePages>(packed_linear_bytes(weight_OI.size(0), weight_OI.size(1), scalar, format));
    const bool int8 = format == WeightFormat::int8;
    const Int8Rows rows = int8 ? to_int8(weight_OI) : Int8Rows{weight_OI, {}};
    pack_linear({.outputs = weight_OI.size(0),
                 .inputs = weight_OI.size(1),
                 .scalar = scalar,
                 .format = format,
                 .weight_OI = rows.q_OI.const_data_ptr(),
                 .scale_O = int8 ? rows.scale_O.const_data_ptr<float>() : nullptr,
                 .output_stride = rows.q_OI.stride(0),
                 .input_stride = rows.q_OI.stride(1),
                 .packed = packed_->data()});
  }
  const void* data() const { return packed_ ? packed_->data() : on_device_.const_data_ptr(); }

 private:
  std::unique_ptr<HugePages> packed_;
  at::Tensor on_device_;
};

inline void run_packed_linear(const at::Tensor& x_MI, const DeviceWeights& weights, const at::Tensor& bias_O,
                              int64_t outputs, const PackedLinearCase& entry, void* y_MO) {
  const at::Tensor probe = at::empty({1}, entry.weights);
  packed_linear({.rows = x_MI.size(0),
                 .outputs = outputs,
                 .inputs = x_MI.size(1),
                 .scalar = kernel_scalar(probe, "test"),
                 .format = entry.format,
                 .activations = kernel_scalar(x_MI, "test"),
                 .weight_OI = weights.data(),
                 .bias_O = bias_O.defined() ? bias_O.const_data_ptr() : nullptr,
                 .x_MI = x_MI.const_data_ptr(),
                 .y_MO = y_MO},
                kernel_place(x_MI, "test"));
}

// One call on fresh random numbers against the twin in fp64.
inline void check_packed_linear(const PackedLinearCase& entry, int64_t M, int64_t O, int64_t I, bool bias,
                                bool transposed = false) {
  const uint64_t seed = std::random_device()();
  CAPTURE(c10::toString(entry.weights));
  CAPTURE(M);
  CAPTURE(O);
  CAPTURE(I);
  CAPTURE(bias);
  CAPTURE(transposed);
  CAPTURE(seed);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto random = [&](at::IntArrayRef shape, at::ScalarType type) {
    return at::randn(shape, generator, at::kDouble).to(entry.device, type);
  };
  const at::Tensor weight_OI = held(
      transposed ? random({I, O + 3}, entry.weights).narrow(1, 2, O).t() : random({O, I}, entry.weights), entry.format);
  const at::Tensor bias_O = bias ? random({O}, entry.weights) : at::Tensor();
  const at::Tensor x_MI = random({M, I}, entry.activations);
  const Guarded y({M, O}, at::TensorOptions(entry.device).dtype(entry.activations));
  const DeviceWeights weights(weight_OI, entry.format);
  run_packed_linear(x_MI, weights, bias_O, O, entry, y.data());
  const at::Tensor want = packed_linear_reference(x_MI.to(at::kDouble), weight_OI.to(at::kDouble),
                                                  bias ? bias_O.to(at::kDouble) : at::Tensor());
  const double size = std::max(want.abs().max().item<double>(), std::sqrt(static_cast<double>(I)));
  CHECK((y.tensor().to(at::kDouble) - want).abs().max().item<double>() / size <= entry.tolerance);
  CHECK(y.intact());
}

// A row's result is bitwise the same whatever stands beside it.
inline void check_packed_linear_rows(const PackedLinearCase& entry, int64_t O, int64_t I) {
  const auto random = [&](at::IntArrayRef shape, at::ScalarType type) {
    return at::randn(shape).to(entry.device, type);
  };
  const at::Tensor weight_OI = random({O, I}, entry.weights), x_MI = random({21, I}, entry.activations);
  const DeviceWeights weights(weight_OI, entry.format);
  const at::Tensor all = at::empty({21, O}, x_MI.options());
  run_packed_linear(x_MI, weights, {}, O, entry, all.data_ptr());
  for (int64_t first = 0; first < 5; ++first) {
    for (const int64_t M : {1, 2, 3, 4, 5, 6, 7, 9, 16}) {
      const at::Tensor some = at::empty({M, O}, x_MI.options());
      run_packed_linear(x_MI.narrow(0, first, M), weights, {}, O, entry, some.data_ptr());
      CHECK(at::equal(some, all.narrow(0, first, M)));
    }
  }
}

inline void check_packed_linear_everywhere(const PackedLinearCase& entry) {
  for (const int64_t M : {1, 2, 3, 4, 5, 7, 16, 33, 130}) {
    check_packed_linear(entry, M, 64, 64, false);
    check_packed_linear(entry, M, 100, 37, true);
    check_packed_linear(entry, M, 1, 129, true, /*transposed=*/true);
    check_packed_linear(entry, M, 192, 300, false, /*transposed=*/true);
  }
  check_packed_linear(entry, 1, 2304, 768, true);  // enough for several threads
  check_packed_linear(entry, 16, 513, 1031, true);
  for (const int64_t I : {1, 2, 3, 63, 64, 65, 127, 128, 129, 255}) {  // around pieces of a panel
    for (const int64_t M : {3, 16}) check_packed_linear(entry, M, 65, I, true);
  }
}

}  // namespace tacit::test
