#include <ATen/ATen.h>

#include "lib/kernels/kernel_case.h"
#include "lib/kernels/rotary/rotary_reference.h"

namespace tacit {

// The queries of 12 heads of 64: of a thought, of a batch of them, of a prompt.
std::vector<KernelCase> rotary_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  constexpr int64_t H = 12, E = 64, P = 1024;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto& [B, T] : {std::pair<int64_t, int64_t>{1, 1}, {16, 1}, {1, 256}}) {
      const auto options = at::TensorOptions(place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA);
      const at::Tensor x = at::randn({B, T, H, E}, options.dtype(dtype));
      const at::Tensor angle = at::rand({P, E}, options.dtype(at::kFloat)), cos = angle.cos(), sin = angle.sin();
      const at::Tensor position = at::randint(P, {B, T}, options.dtype(at::kLong));
      const at::Tensor cos_B1TE = at::embedding(cos, position).unsqueeze(1).to(dtype),
                       sin_B1TE = at::embedding(sin, position).unsqueeze(1).to(dtype);
      out.push_back({.name = "rotary " + std::string(dtype == at::kFloat ? "fp32" : "bf16") + " [" + std::to_string(B) +
                             ", " + std::to_string(T) + ", 12, 64]",
                     .bytes = static_cast<double>(2 * x.numel() * x.element_size() + 2 * 4 * B * T * E),
                     .flops = 3.0 * static_cast<double>(x.numel()),
                     .run = [=] { rotary_in_place(x, cos, sin, position, /*interleaved=*/false); },
                     .twin = [=] { rotary_reference(x.transpose(1, 2), cos_B1TE, sin_B1TE, /*interleaved=*/false); }});
    }
  }
  return out;
}

}  // namespace tacit
