#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>

namespace tacit {

// Sums over processes that stay on their CUDA devices.
class DeviceSum {
 public:
  virtual ~DeviceSum() = default;
  virtual void sum(at::Tensor& values) = 0;  // in place, fp32, contiguous
};

// Of all processes, each with the CUDA device of `values`, its own. `share` gives every process the bytes that rank 0
// calls it with. Null where this build or process has no NCCL: lib/train/device_sum_nccl.cpp, or device_sum_none.cpp in
// a build without its headers. Fails where NCCL does, and when a sum takes longer than `timeout_s`.
std::unique_ptr<DeviceSum> join_device_sum(const at::Tensor& values, int64_t rank, int64_t size, double timeout_s,
                                           const std::function<std::string(const std::string&)>& share);

}  // namespace tacit
