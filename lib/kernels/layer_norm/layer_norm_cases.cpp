#include <ATen/ATen.h>

#include "lib/kernels/kernel_case.h"
#include "lib/kernels/layer_norm/layer_norm.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// GPT-2's norm of a thought, of a batch of them and of a prompt. The twin is LibTorch's own fused norm.
std::vector<KernelCase> layer_norm_cases(const Place& place) {
  std::vector<KernelCase> out;
  constexpr int64_t D = 768;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const int64_t N : {1, 16, 512}) {
      const auto options = at::TensorOptions(place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA).dtype(dtype);
      const at::Tensor x = at::randn({N, D}, options), weight = at::randn({D}, options), bias = at::randn({D}, options);
      const double bytes = static_cast<double>(x.element_size()) * static_cast<double>(2 * N * D + 2 * D);
      const auto run = [=] {
        const at::Tensor y = at::empty_like(x);
        layer_norm({.rows = N,
                    .size = D,
                    .scalar = kernel_scalar(x, "layer_norm"),
                    .x_ND = x.const_data_ptr(),
                    .weight_D = weight.const_data_ptr(),
                    .bias_D = bias.const_data_ptr(),
                    .y_ND = y.data_ptr()},
                   place);
      };
      out.push_back({.name = "layer_norm " + std::string(dtype == at::kFloat ? "fp32" : "bf16") + " [" +
                             std::to_string(N) + ", 768]",
                     .bytes = bytes,
                     .flops = 8.0 * static_cast<double>(N * D),
                     .run = run,
                     .twin = [=] { at::layer_norm(x, {D}, weight, bias, 1e-5); }});
    }
  }
  return out;
}

}  // namespace tacit
