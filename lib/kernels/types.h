#pragma once

// What every kernel's arguments share. Kernel headers see no tensor library: they can be copied, compiled and measured
// alone. lib/kernels/tensors.h fills these from tensors.
namespace tacit {

enum class Scalar { fp32, bf16 };
enum class DeviceKind { cpu, cuda };

// Where a kernel runs. On CUDA the call returns once the work is queued on `stream` (a cudaStream_t; null: the default
// stream), whose device must be the current one.
struct Place {
  DeviceKind device = DeviceKind::cpu;
  void* stream = nullptr;
};

}  // namespace tacit
