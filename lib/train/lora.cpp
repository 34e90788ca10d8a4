#include "lib/train/lora.h"

#include <cmath>
#include <set>

#include "lib/core/error.h"
#include "lib/core/rng.h"

namespace tacit {
namespace {

std::string without_weight(const std::string& slot) {
  const std::string kind = ".weight";
  return slot.ends_with(kind) ? slot.substr(0, slot.size() - kind.size()) : slot;
}

bool names(const std::string& target, const std::string& slot) {
  const std::string plain = without_weight(slot);
  return plain == target || plain.ends_with("." + target);
}

std::string last_part(const std::string& slot) {
  const std::string plain = without_weight(slot);
  return plain.substr(plain.rfind('.') + 1);
}

// The last parts of all matrices' names, for errors.
std::string choices(const std::map<std::string, at::Tensor>& weights) {
  std::set<std::string> parts;
  for (const auto& [slot, weight] : weights) {
    if (weight.dim() == 2) parts.insert(last_part(slot));
  }
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::set<std::string> chosen_slots(const std::map<std::string, at::Tensor>& weights, const LoraOptions& options) {
  std::set<std::string> chosen;
  require(!options.targets.empty(), "lora", "expected at least one target of ", choices(weights));
  for (const std::string& target : options.targets) {
    bool found = false;
    for (const auto& [slot, weight] : weights) {
      if (weight.dim() != 2 || !names(target, slot)) continue;
      found = true;
      chosen.insert(slot);
    }
    require(found, "lora", "expected a matrix of the model (", choices(weights), ") but got target '", target, "'");
  }
  return chosen;
}

}  // namespace

std::map<std::string, at::Tensor> lora_factors(const std::map<std::string, at::Tensor>& weights,
                                               const LoraOptions& options) {
  require(options.rank >= 1, "lora", "expected a rank of at least 1 but got ", options.rank);
  constexpr uint32_t lora_stream = 0x6c6f'7261;  // apart from the weights, examples and noise of the same seed
  std::map<std::string, at::Tensor> factors;
  uint64_t stream = 0;
  for (const std::string& slot : chosen_slots(weights, options)) {
    const at::Tensor& weight = weights.at(slot);
    const int64_t out = weight.size(0), in = weight.size(1);
    require(options.rank <= std::min(out, in), "lora", "expected a rank of at most ", std::min(out, in), " for '", slot,
            "' but got ", options.rank);
    Rng rng(options.seed, stream++, lora_stream);
    const at::Tensor a = at::empty({options.rank, in}, at::kFloat);
    float* value = a.mutable_data_ptr<float>();
    for (int64_t i = 0; i < a.numel(); ++i)
      value[i] = static_cast<float>(rng.normal() / std::sqrt(static_cast<double>(in)));
    factors["lora/" + slot + ".a"] = a.to(weight.device()).requires_grad_(true);
    factors["lora/" + slot + ".b"] =
        at::zeros({out, options.rank}, a.options()).to(weight.device()).requires_grad_(true);
  }
  return factors;
}

std::map<std::string, at::Tensor> lora_merged(const std::map<std::string, at::Tensor>& weights,
                                              const std::map<std::string, at::Tensor>& factors,
                                              const LoraOptions& options) {
  const double scale = options.alpha / static_cast<double>(options.rank);
  std::map<std::string, at::Tensor> merged;
  for (const auto& [slot, weight] : weights) {
    const auto a = factors.find("lora/" + slot + ".a");
    merged[slot] = a == factors.end()
                       ? weight.detach()
                       : at::addmm(weight.detach(), factors.at("lora/" + slot + ".b"), a->second, 1, scale);
  }
  return merged;
}

}  // namespace tacit
