#include <ATen/ATen.h>

#include "lib/kernels/kernel_case.h"
#include "lib/kernels/rwkv7_state/rwkv7_state_tensors.h"

namespace tacit {

static at::Tensor normalised(const at::Tensor& x) { return x / x.norm(2, -1, /*keepdim=*/true); }

// The heads of a model of 768 dimensions: a thought, a batch of them, a prompt.
std::vector<KernelCase> rwkv7_state_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  const auto options = at::TensorOptions(place.device == DeviceKind::cpu ? at::kCPU : at::kCUDA).dtype(at::kFloat);
  constexpr int64_t H = 12, E = 64;
  for (const auto& [B, T] : {std::pair<int64_t, int64_t>{1, 1}, {16, 1}, {1, 256}}) {
    const auto random = [&] { return at::randn({B, T, H, E}, options); };
    const at::Tensor removed = normalised(random());
    const Rwkv7Columns c = {random(), random().sigmoid(), random(), random(), removed, removed * random().sigmoid()};
    const at::Tensor state = at::zeros({B, H, E, E}, options);
    const auto work = static_cast<double>(B * H * E);
    out.push_back({.name = "rwkv7_state fp32 [" + std::to_string(B) + ", " + std::to_string(T) + ", 12, 64]",
                   .bytes = 4 * work * static_cast<double>(7 * T + 2 * E),
                   .flops = 9 * work * static_cast<double>(T * E),
                   .run = [=] { rwkv7_state_in_place(c, state); },
                   .twin = [=] { rwkv7_state_reference(c, state); }});
  }
  return out;
}

}  // namespace tacit
