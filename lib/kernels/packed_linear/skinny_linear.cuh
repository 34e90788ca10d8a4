#pragma once

#include "lib/kernels/device/skinny_product.cuh"
#include "lib/kernels/packed_linear/packed_linear.h"

namespace tacit::device {

// packed_linear's arguments for rows in groups of kRows. Each block has a share of the outputs and works off all rows.
struct SkinnyPlan {
  int rows, outputs, inputs;
  bool bf16_activations;
  const void *weight_OI, *bias_O, *x_MI;
  void* y_MO;
};

// Outputs of a block that are multiplied together; the rest follow.
inline constexpr int kSliceOutputs = 256;

// Floats of shared memory: x, then what multiply() leaves.
template <class T>
TACIT_BOTH int64_t skinny_floats(int64_t outputs, int64_t inputs, int rows, int blocks) {
  const int64_t most = divide_up(outputs, blocks), slice = most < kSliceOutputs ? most : kSliceOutputs;
  return x_stride(inputs) * rows + product_floats(slice, inputs, rows, kChunks<T>);
}

// Rows `first` on of x, as multiply() reads them.
TACIT_DEVICE void load_rows(const SkinnyPlan& plan, int first, int rows, int stride, float* x) {
  for (int m = 0; m < rows; ++m) {
    for (int k = thread(); k < stride; k += kThreads) {
      const int64_t at = (int64_t{first} + m) * plan.inputs + k;
      float value = 0;
      if (k < plan.inputs) {
        value = plan.bf16_activations ? load_one(static_cast<const Bf16*>(plan.x_MI) + at)
                                      : load_one(static_cast<const float*>(plan.x_MI) + at);
      }
      x[m * stride + x_place(k)] = value;
    }
  }
}

template <class T, int kRows, bool kVector>
TACIT_DEVICE void run_skinny_linear(const SkinnyPlan& plan) {
  const Share mine = share(plan.outputs, block(), blocks());
  const int stride = static_cast<int>(x_stride(plan.inputs)), end = static_cast<int>(mine.end);
  float *const x = shared_memory(), *const results = x + int64_t{stride} * kRows;
  const T* const weight = static_cast<const T*>(plan.weight_OI);
  for (int first = 0; first < plan.rows; first += kRows) {
    const int here = plan.rows - first < kRows ? plan.rows - first : kRows;
    for (int begin = static_cast<int>(mine.begin); begin < end; begin += kSliceOutputs) {
      const WeightRows rows = {begin, -1, end - begin < kSliceOutputs ? end - begin : kSliceOutputs};
      ItemWeights<T> ahead;
      fetch_first_item<T, kVector>(ahead, weight, plan.inputs, rows);
      if (begin == mine.begin) load_rows(plan, first, here, stride, x);
      sync_block();
      multiply<T, kRows, kVector>(ahead, weight, plan.inputs, rows, x, results);
      sync_block();
      for (int i = thread(); i < rows.count * here; i += kThreads) {
        const int m = i / rows.count, o = i - m * rows.count;
        float total = product_total<T, kRows>(results, plan.inputs, o, m);
        if (plan.bias_O) total += load_one(static_cast<const T*>(plan.bias_O) + begin + o);
        const int64_t at = (int64_t{first} + m) * plan.outputs + begin + o;
        if (plan.bf16_activations)
          static_cast<Bf16*>(plan.y_MO)[at] = narrow<Bf16>(total);
        else
          static_cast<float*>(plan.y_MO)[at] = total;
      }
    }
  }
}

}  // namespace tacit::device
