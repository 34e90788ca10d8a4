#pragma once

#include <torch/csrc/autograd/autograd.h>

#include "lib/kernels/gated_mlp/gated_mlp_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {

constexpr MlpActivation kMlpActivations[] = {MlpActivation::gelu, MlpActivation::gelu_tanh, MlpActivation::silu,
                                             MlpActivation::relu, MlpActivation::relu_squared};

enum class GatedLayout { apart, over_gate, over_up };

// Forward and backward on fresh random numbers against the twin and its autograd in fp64.
inline void check_gated_mlp(const KernelTolerance& entry, MlpActivation activation, bool gated, GatedLayout layout,
                            int64_t count, int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(entry.dtype), offset);
  CAPTURE(make.seed());
  CAPTURE(c10::toString(entry.dtype));
  CAPTURE(static_cast<int>(activation));
  CAPTURE(gated);
  CAPTURE(static_cast<int>(layout));
  CAPTURE(count);
  const Guarded gate = make.of(make.normal({count}) * 3), up = make.of(make.normal({count}) * 3),
                d_y = make.of(make.normal({count})), new_y = make.empty({count}), d_gate = make.empty({count}),
                d_up = make.empty({count});
  const auto wide = [](const Guarded& x) { return x.tensor().to(at::kDouble, false, true).requires_grad_(true); };
  const at::Tensor wide_gate = wide(gate), wide_up = wide(up);
  const at::Tensor want = gated_mlp_reference(gated ? wide_gate : at::Tensor(), wide_up, activation);
  (want * d_y.tensor().to(at::kDouble)).sum().backward();

  const Guarded& y = layout == GatedLayout::over_gate ? gate : layout == GatedLayout::over_up ? up : new_y;
  GatedMlpArgs args = {.count = count,
                       .scalar = kernel_scalar(up.tensor(), "test"),
                       .activation = activation,
                       .gate_N = gated ? gate.data() : nullptr,
                       .up_N = up.data(),
                       .y_N = y.data()};
  const Place place = kernel_place(up.tensor(), "test");
  gated_mlp_backward(
      {.forward = args, .d_y_N = d_y.data(), .d_gate_N = gated ? d_gate.data() : nullptr, .d_up_N = d_up.data()},
      place);
  gated_mlp(args, place);
  // A lone element deep in an activation's tail is held to the size of its inputs, not to its own.
  const auto error = [&](const Guarded& got, const at::Tensor& expected) {
    return rounding_error(entry.dtype, got.tensor(), expected, /*least=*/1);
  };
  CHECK(error(y, want.detach()) <= entry.most);
  CHECK(error(d_up, wide_up.grad()) <= entry.most);
  if (gated) CHECK(error(d_gate, wide_gate.grad()) <= entry.most);
  for (const Guarded* array : {&gate, &up, &d_y, &new_y, &d_gate, &d_up}) CHECK(array->intact());
}

inline void check_gated_mlp_everywhere(const KernelTolerance& entry) {
  for (const MlpActivation activation : kMlpActivations) {
    for (const int64_t count : {1, 7, 64, 1031, 40'000}) {
      check_gated_mlp(entry, activation, false, GatedLayout::apart, count);
      check_gated_mlp(entry, activation, false, GatedLayout::over_up, count);
      for (const GatedLayout layout : {GatedLayout::apart, GatedLayout::over_gate, GatedLayout::over_up}) {
        check_gated_mlp(entry, activation, true, layout, count);
      }
    }
    check_gated_mlp(entry, activation, true, GatedLayout::apart, 512, /*offset=*/3);  // not aligned for vector loads
  }
}

}  // namespace tacit::test
