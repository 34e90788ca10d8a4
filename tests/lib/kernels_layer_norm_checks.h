#pragma once

#include "lib/kernels/layer_norm/layer_norm.h"
#include "lib/kernels/layer_norm/layer_norm_reference.h"
#include "lib/kernels/tensors.h"
#include "tests/support/kernel_checks.h"

namespace tacit::test {

// How the arrays of a call lie in memory.
enum class LayerNormLayout { plain, no_bias, residual, residual_unstored, sum_over_residual, sum_over_x, y_over_x };
constexpr LayerNormLayout kLayerNormLayouts[] = {LayerNormLayout::plain,
                                                 LayerNormLayout::no_bias,
                                                 LayerNormLayout::residual,
                                                 LayerNormLayout::residual_unstored,
                                                 LayerNormLayout::sum_over_residual,
                                                 LayerNormLayout::sum_over_x,
                                                 LayerNormLayout::y_over_x};

// One call on fresh random numbers against the twin in fp64.
inline void check_layer_norm(const KernelTolerance& entry, int64_t rows, int64_t size, LayerNormLayout layout,
                             int64_t offset = 0) {
  GuardedInputs make(at::TensorOptions(entry.device).dtype(entry.dtype), offset);
  CAPTURE(c10::toString(entry.dtype));
  CAPTURE(rows);
  CAPTURE(size);
  CAPTURE(offset);
  CAPTURE(static_cast<int>(layout));
  CAPTURE(make.seed());
  // A mean that is not small beside the deviation, as residual streams have; a deviation that is not small by chance.
  const at::Tensor waves_D = at::arange(size, at::kDouble).remainder(2) * 8 - 4;
  const Guarded x = make.of(make.normal({rows, size}) + make.normal({rows, 1}) * 4 + waves_D),
                residual = make.of(make.normal({rows, size})), weight = make.of(make.normal({size})),
                bias = make.of(make.normal({size}));
  const Guarded new_sum = make.empty({rows, size}), new_y = make.empty({rows, size});
  const bool adds =
      layout != LayerNormLayout::plain && layout != LayerNormLayout::no_bias && layout != LayerNormLayout::y_over_x;
  const bool has_bias = layout != LayerNormLayout::no_bias;
  const Guarded& sum = layout == LayerNormLayout::sum_over_residual ? residual
                       : layout == LayerNormLayout::sum_over_x      ? x
                                                                    : new_sum;
  const Guarded& y = layout == LayerNormLayout::y_over_x ? x : new_y;
  const bool stores_sum = adds && layout != LayerNormLayout::residual_unstored;

  // The sum is rounded to the dtype by definition, the norm of that sum is what fp64 knows better.
  constexpr float kEps = 1e-5f;
  const at::Tensor sum_ND = (adds ? x.tensor() + residual.tensor() : x.tensor()).clone();
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  const at::Tensor y_ND =
      layer_norm_reference(wide(sum_ND), wide(weight.tensor()), has_bias ? wide(bias.tensor()) : at::Tensor(), kEps)
          .y_ND;

  layer_norm({.rows = rows,
              .size = size,
              .scalar = kernel_scalar(x.tensor(), "test"),
              .x_ND = x.data(),
              .residual_ND = adds ? residual.data() : nullptr,
              .weight_D = weight.data(),
              .bias_D = has_bias ? bias.data() : nullptr,
              .eps = kEps,
              .sum_ND = stores_sum ? sum.data() : nullptr,
              .y_ND = y.data()},
             kernel_place(x.tensor(), "test"));

  CHECK(rounding_error(entry.dtype, y.tensor(), y_ND) <= entry.most);
  if (stores_sum) CHECK(at::equal(sum.tensor(), sum_ND));
  for (const Guarded* array : {&x, &residual, &weight, &bias, &new_sum, &new_y}) CHECK(array->intact());
}

inline void check_layer_norm_everywhere(const KernelTolerance& entry) {
  for (LayerNormLayout layout : kLayerNormLayouts) {
    for (int64_t size : {2, 7, 16, 64, 100, 768, 1031, 8192}) check_layer_norm(entry, 3, size, layout);
    check_layer_norm(entry, 5, 768, layout, /*offset=*/3);  // not aligned for vector loads
    check_layer_norm(entry, 700, 96, layout);               // enough for several threads
  }
}

}  // namespace tacit::test
