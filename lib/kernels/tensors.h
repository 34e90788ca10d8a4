#pragma once

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <string_view>

#include "lib/core/error.h"
#include "lib/kernels/types.h"

namespace tacit {

// The kernels' name for a tensor's dtype; fails, naming `operation`, on one that no kernel takes.
inline Scalar kernel_scalar(const at::Tensor& tensor, std::string_view operation) {
  if (tensor.scalar_type() == at::kFloat) return Scalar::fp32;
  require(tensor.scalar_type() == at::kBFloat16, operation, "expected a tensor of Float or BFloat16 but got ",
          c10::toString(tensor.scalar_type()));
  return Scalar::bf16;
}

// The tensor's device, with the stream that is current there.
inline Place kernel_place(const at::Tensor& tensor, std::string_view operation) {
  if (tensor.is_cpu()) return {};
  require(tensor.is_cuda(), operation, "expected a tensor on cpu or cuda but got ", tensor.device().str());
  return {DeviceKind::cuda, c10::impl::VirtualGuardImpl(at::kCUDA).getStream(tensor.device()).native_handle()};
}

}  // namespace tacit
