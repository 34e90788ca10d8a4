#include <ATen/ATen.h>

#include "lib/kernels/gated_mlp/gated_mlp_reference.h"
#include "lib/kernels/kernel_case.h"
#include "lib/kernels/tensors.h"

namespace tacit {

// The middle of a feed-forward part of 3,072: a thought, a batch of them, a prompt.
std::vector<KernelCase> gated_mlp_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  constexpr int64_t F = 3072;
  const struct {
    const char* name;
    MlpActivation activation;
    bool gated;
  } kinds[] = {{"silu, gated", MlpActivation::silu, true}, {"gelu_tanh", MlpActivation::gelu_tanh, false}};
  for (const auto& kind : kinds) {
    for (const auto dtype : {at::kFloat, at::kBFloat16}) {
      for (const int64_t N : {1, 16, 256}) {
        const auto options = at::TensorOptions(place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA).dtype(dtype);
        const at::Tensor up = at::randn({N, F}, options), y = at::empty_like(up);
        const at::Tensor gate = kind.gated ? at::randn({N, F}, options) : at::Tensor();
        const GatedMlpArgs args = {.count = up.numel(),
                                   .scalar = kernel_scalar(up, "gated_mlp"),
                                   .activation = kind.activation,
                                   .gate_N = kind.gated ? gate.const_data_ptr() : nullptr,
                                   .up_N = up.const_data_ptr(),
                                   .y_N = y.mutable_data_ptr()};
        const double elements = static_cast<double>(N * F), arrays = kind.gated ? 3 : 2;
        out.push_back({.name = "gated_mlp " + std::string(kind.name) + " " + (dtype == at::kFloat ? "fp32" : "bf16") +
                               " [" + std::to_string(N) + ", 3072]",
                       .bytes = elements * arrays * static_cast<double>(up.element_size()),
                       .flops = elements * 20,
                       .run = [=] { gated_mlp(args, place); },
                       .twin = [=, kept = y] { gated_mlp_reference(gate, up, args.activation); }});
      }
    }
  }
  return out;
}

}  // namespace tacit
