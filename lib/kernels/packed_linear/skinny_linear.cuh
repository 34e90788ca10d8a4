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

// Floats of shared memory: x, then what multiply() leaves.
template <class T>
TACIT_BOTH int64_t skinny_floats(int64_t outputs, int64_t inputs, int rows, int blocks) {
  return x_stride(inputs) * rows + product_floats(divide_up(outputs, blocks), inputs, rows, kChunks<T>);
}

template <class T, int kRows, bool kVector>
TACIT_DEVICE void run_skinny_linear(const SkinnyPlan& plan) {
  const Share mine = share(plan.outputs, block(), blocks());
  const WeightRows rows = {static_cast<int>(mine.begin), -1, static_cast<int>(mine.size())};
  const int stride = static_cast<int>(x_stride(plan.inputs));
  float *const x = shared_memory(), *const results = x + int64_t{stride} * kRows;
  const T* const weight = static_cast<const T*>(plan.weight_OI);
  for (int first = 0; first < plan.rows; first += kRows) {
    const int here = plan.rows - first < kRows ? plan.rows - first : kRows;
    ItemWeights<T> ahead;
    fetch_first_item<T, kVector>(ahead, weight, plan.inputs, rows);
    for (int i = thread(); i < here * stride; i += kThreads) {
      const int m = i / stride, k = i % stride;
      const int64_t at = (int64_t{first} + m) * plan.inputs + k;
      float value = 0;
      if (k < plan.inputs) {
        value = plan.bf16_activations ? load_one(static_cast<const Bf16*>(plan.x_MI) + at)
                                      : load_one(static_cast<const float*>(plan.x_MI) + at);
      }
      x[m * stride + x_place(k)] = value;
    }
    sync_block();
    multiply<T, kRows, kVector>(ahead, weight, plan.inputs, rows, x, results);
    sync_block();
    for (int i = thread(); i < rows.count * here; i += kThreads) {
      const int o = i % rows.count, m = i / rows.count;
      float total = product_total<T, kRows>(results, plan.inputs, o, m);
      if (plan.bias_O) total += load_one(static_cast<const T*>(plan.bias_O) + mine.begin + o);
      const int64_t at = (int64_t{first} + m) * plan.outputs + mine.begin + o;
      if (plan.bf16_activations)
        static_cast<Bf16*>(plan.y_MO)[at] = narrow<Bf16>(total);
      else
        static_cast<float*>(plan.y_MO)[at] = total;
    }
    sync_block();
  }
}

}  // namespace tacit::device
