#pragma once

#include <ATen/ATen.h>

namespace tacit {

// How fast the machine multiplies matrices through LibTorch: the floor of work that reads each weight for many rows.
// In fp32 or `dtype`, whichever is faster: squares of 1536 on the CPU and 8192 on CUDA.
class FlopProbe {
 public:
  FlopProbe(at::Device device, at::ScalarType dtype);

  double flops() const;  // that ms() is the time of; a multiply-add counts two
  double ms();

 private:
  at::Device device_;
  int64_t size_;
  at::Tensor a_, b_, out_;
};

}  // namespace tacit
