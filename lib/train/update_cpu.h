#pragma once

#include <cstdint>

namespace tacit {

// AdamW's update of `count` fp32 weights in one pass over memory (lib/train/adamw.h has the formula in tensor
// operations):
//
//   m += (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g^2,  w = keep w - rate m / (sqrt(v) / root + eps)
struct UpdateArgs {
  int64_t count = 0;
  float* weight = nullptr;
  float* first = nullptr;   // m
  float* second = nullptr;  // v
  const float* gradient = nullptr;
  float beta1 = 0, beta2 = 0, eps = 0;
  float keep = 1;  // 1 - learning rate * weight decay
  float rate = 0;  // learning rate / (1 - beta1^t)
  float root = 1;  // sqrt(1 - beta2^t)
};
void update_cpu(const UpdateArgs& args);

// The sum of squares, in fp64 over blocks of fp32 sums; the same whatever the number of threads.
double square_sum_cpu(const float* x, int64_t count);

}  // namespace tacit
