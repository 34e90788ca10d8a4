#include <ATen/ATen.h>

#include "lib/core/error.h"
#include "lib/kernels/expert_routing/expert_routing_reference.h"
#include "lib/kernels/kernel_case.h"

namespace tacit {

// Mixtral's and DeepSeek-V3's routing of one token and of 64.
std::vector<KernelCase> expert_routing_cases(const Place& place, const std::string&) {
  std::vector<KernelCase> out;
  if (place.device != DeviceKind::cpu) return out;  // no layer takes it on CUDA
  const struct {
    const char* name;
    int64_t experts;
    ExpertChoice choice;
  } models[] = {{"Mixtral", 8, {.chosen = 2}},
                {"DeepSeek-V3", 256, {.chosen = 8, .groups = 8, .chosen_groups = 4, .sigmoid = true, .scale = 2.5}}};
  for (const auto& model : models) {
    for (const int64_t N : {1, 64}) {
      const at::Tensor logits = at::randn({N, model.experts}), correction = at::rand({model.experts});
      const at::Tensor added = model.choice.sigmoid ? correction : at::Tensor();
      out.push_back(
          {.name = "expert_routing " + std::string(model.name) + " [" + std::to_string(N) + ", " +
                   std::to_string(model.experts) + "]",
           .bytes = static_cast<double>(logits.nbytes()) + 36.0 * static_cast<double>(N * model.choice.chosen),
           .flops = 10.0 * static_cast<double>(logits.numel()),
           .run = [=, choice = model.choice] { expert_routing_by_kernel(logits, added, choice); },
           .twin = [=, choice = model.choice] { expert_routing_reference(logits, added, choice); }});
    }
  }
  return out;
}

}  // namespace tacit
