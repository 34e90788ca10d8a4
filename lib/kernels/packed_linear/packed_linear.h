#pragma once

#include <cstdint>

#include "lib/kernels/types.h"

namespace tacit {

// A linear layer on few rows, where reading the weights is the work:
//
//   y_MO = x_MI W_OI^T + bias_O        products and sums in fp32, rounded once to `activations`
//
// A row's result is bitwise the same whatever `rows` is and whatever stands in the other rows.
//
// On the CPU the weights lie packed, so that one stream feeds all outputs without a horizontal sum: panels of 64
// outputs, each panel [I][64] in fp32, [ceil(I/2)][64][2] in bf16 (a vector of pairs: the even input is its low half
// shifted up, the odd one its high half) and [ceil(I/4)][64][4] in int8 with 64 scales behind, outputs and inputs past
// the end being zero. One layout serves AVX-512, AVX2 and neither; which of them runs is found out at run time. bf16
// and int8 weights are widened and multiplied with fp32 activations: the products of AVX-512's bf16 extension would
// round the activations, and change answers, where the memory is the limit anyway. On CUDA the weights are row-major,
// and not int8.
struct PackedLinearArgs {
  int64_t rows = 0, outputs = 0, inputs = 0;  // M (0 does nothing), O, I
  Scalar scalar = Scalar::fp32;               // of weight and bias
  WeightFormat format = WeightFormat::scalar;
  Scalar activations = Scalar::fp32;  // of x and y
  const void* weight_OI = nullptr;    // CPU: as pack_linear() left it; CUDA: row-major
  const void* bias_O = nullptr;       // null = none
  const void* x_MI = nullptr;
  void* y_MO = nullptr;
};

void packed_linear(const PackedLinearArgs& args, const Place& place);

// What packed_linear() calls once the arguments are checked.
void packed_linear_cpu(const PackedLinearArgs& args);
void packed_linear_cuda(const PackedLinearArgs& args, void* stream);

// Bytes of packed weights, a multiple of 64.
int64_t packed_linear_bytes(int64_t outputs, int64_t inputs, Scalar scalar, WeightFormat format = WeightFormat::scalar);

// Writes a matrix into packed weights from output `first` on, leaving the other outputs: several matrices may be
// stacked. The matrix may be any view: its element (o, i) lies at weight + o * output_stride + i * input_stride. The
// memory must have been zero at first, and start at a multiple of 64 bytes. Host only.
struct PackLinearArgs {
  int64_t outputs = 0, inputs = 0;
  Scalar scalar = Scalar::fp32;
  WeightFormat format = WeightFormat::scalar;
  const void* weight_OI = nullptr;
  const float* scale_O = nullptr;               // int8 only
  int64_t output_stride = 0, input_stride = 1;  // elements
  int64_t first = 0;
  void* packed = nullptr;
};
void pack_linear(const PackLinearArgs& args);

}  // namespace tacit
