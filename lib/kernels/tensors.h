#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <string_view>

#include "lib/core/error.h"
#include "lib/kernels/twins_only.h"
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

// Whether a layer takes a kernel without a backward pass for x: x is of fp32 or bf16 on the CPU, nobody records
// gradients, and no TwinsOnly lives.
inline bool takes_kernel(const at::Tensor& x) {
  const bool known = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  return known && x.is_cpu() && !at::GradMode::is_enabled() && !TwinsOnly::any();
}

}  // namespace tacit
