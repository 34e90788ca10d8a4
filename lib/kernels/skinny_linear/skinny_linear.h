#pragma once

#include <cstdint>

namespace tacit {

// A linear layer on few rows whose weights change with every update, so that packing them would not pay: row-major
// weights, read once, which is all the time it takes.
//
//   y_NO = x_NI W_OI^T + bias_O     skinny_linear
//   y_NI = x_NO W_OI                skinny_linear_transposed: the input's gradient from the output's
//
// fp32, on the CPU: a GPU's own products serve few rows well. A row's result does not depend on the rows beside it, nor
// on the number of threads. All arrays are contiguous; y overlaps nothing.
struct SkinnyLinearArgs {
  int64_t rows = 0;                 // N, 0 .. kMostSkinnyRows; 0 does nothing
  int64_t outputs = 0, inputs = 0;  // O, I
  const float* x = nullptr;
  const float* weight_OI = nullptr;
  const float* bias_O = nullptr;  // null = none; skinny_linear only
  float* y = nullptr;
};

// Beyond this many rows a product is left to BLAS, which blocks it. A choice, not a measured limit.
inline constexpr int64_t kMostSkinnyRows = 16;

void skinny_linear(const SkinnyLinearArgs& args);
void skinny_linear_transposed(const SkinnyLinearArgs& args);

// What these call once the arguments are checked.
void skinny_linear_cpu(const SkinnyLinearArgs& args);
void skinny_linear_transposed_cpu(const SkinnyLinearArgs& args);

}  // namespace tacit
