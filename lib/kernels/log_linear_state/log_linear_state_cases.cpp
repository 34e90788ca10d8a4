#include <ATen/ATen.h>

#include "lib/kernels/kernel_case.h"
#include "lib/kernels/log_linear_state/log_linear_state_reference.h"

namespace tacit {

// The heads of a model of 768 dimensions and 4,096 positions: a thought, a batch of them, a prompt.
std::vector<KernelCase> log_linear_state_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  const auto options = at::TensorOptions(place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA).dtype(at::kFloat);
  constexpr int64_t H = 12, E = 64, L = 13, kBefore = 341;  // 101010101 in binary: 5 of 9 levels are occupied
  for (const auto& [B, T] : {std::pair<int64_t, int64_t>{1, 1}, {16, 1}, {1, 256}}) {
    const auto random = [&, B = B, T = T](int64_t last) { return at::randn({B, T, H, last}, options); };
    const at::Tensor first = at::arange(kBefore + 1, kBefore + 1 + T, options.dtype(at::kLong));
    const LogLinearColumns c = {
        .query_BTHE = random(E),
        .key_BTHE = random(E),
        .value_BTHE = random(E),
        .decay_BTH = at::full({B, T, H}, -1e-6, options),  // repeated, stronger ones end in subnormals
        .weight_BTHL = at::softplus(random(L)),
        .position_BT = first.unsqueeze(0).expand({B, T}).contiguous()};
    const at::Tensor state = at::randn({B, L, H, E, E}, options);
    const auto heads = static_cast<double>(B * H);
    out.push_back({.name = "log_linear_state fp32 [" + std::to_string(B) + ", " + std::to_string(T) + ", 12, 64]",
                   .bytes = 4 * heads * static_cast<double>(T * (4 * E + L) + 2 * 6 * E * E),
                   .flops = 2 * heads * static_cast<double>(T * 6 * E * E),
                   .run = [=] { log_linear_state_in_place(c, state); },
                   .twin = [=] { log_linear_state_reference(c, state); }});
  }
  return out;
}

}  // namespace tacit
