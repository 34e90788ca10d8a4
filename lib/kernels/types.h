#pragma once

// What every kernel's arguments share. Kernel headers see no tensor library: they can be copied, compiled and measured
// alone. lib/kernels/tensors.h fills these from tensors.
namespace tacit {

enum class Scalar { fp32, bf16 };
// Of a matrix of weights W_OI: as all else is, or int8, where output o has a scale s_o in fp32 (int8_rows.h):
// y_o = s_o sum_i q_oi x_i + bias_o.
enum class WeightFormat { scalar, int8 };
// Bytes from a row-major matrix's begin to its scales are a multiple of this.
inline constexpr int kScalesBoundary = 16;
enum class DeviceKind { cpu, cuda };

// Where a kernel runs. On CUDA the call returns once the work is queued on `stream` (a cudaStream_t; null: the default
// stream), whose device must be the current one.
struct Place {
  DeviceKind device = DeviceKind::cpu;
  void* stream = nullptr;
};

}  // namespace tacit
