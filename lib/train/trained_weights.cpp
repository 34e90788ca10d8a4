#include "lib/train/trained_weights.h"

#include <ATen/core/grad_mode.h>
#include <cmath>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/model/slots.h"

namespace tacit {

TrainedWeights::TrainedWeights(std::shared_ptr<const Transformer> model, const TensorMap& own, const TrainedPart& part)
    : base_(std::move(model)), own_(own), part_(part) {
  const bool lora = part.lora.rank > 0;
  require(!lora || !part.freeze_model, "train", "expected low-rank factors or a frozen model but got both");
  require(!part.freeze_model || !own.empty(), "train",
          "expected a method with weights of its own to train beside a frozen model but it has none");
  for (const auto& [name, weight] : own) {
    require(weight.is_leaf() && weight.requires_grad() && weight.scalar_type() == at::kFloat, "train",
            "expected the method's weight '", name, "' as a leaf in fp32 that takes a gradient");
    leaves_["method/" + name] = weight;
  }
  if (lora) factors_ = lora_factors(base_->weights(), part.lora);
  if (lora) {
    leaves_.insert(factors_.begin(), factors_.end());
  } else if (!part.freeze_model) {
    for (const auto& [slot, weight] : base_->weights()) {
      require(weight.is_leaf() && weight.requires_grad(), "train",
              "expected a model whose weights take gradients, as trainable_copy() makes one, but '", slot,
              "' does not");
      leaves_[slot] = weight;
    }
  } else {  // the same values, without gradient
    TensorMap frozen;
    for (const auto& [slot, weight] : base_->weights()) frozen[slot] = weight.detach();
    base_ = std::make_shared<const Transformer>(base_->config(), std::move(frozen));
  }
}

std::shared_ptr<const Transformer> TrainedWeights::model() const {
  if (factors_.empty()) return base_;
  return std::make_shared<const Transformer>(*base_, lora_merged(base_->weights(), factors_, part_.lora));
}

std::string TrainedWeights::fixed_hash() const {
  return part_.freeze_model || !factors_.empty() ? weights_hash(base_->weights()) : "";
}

std::shared_ptr<const Transformer> in_bf16(const Transformer& model) {
  TensorMap weights;
  for (const auto& [name, weight] : model.weights()) {
    weights[name] = slots::kept_in_fp32(name) ? weight : weight.to(at::kBFloat16);
  }
  return std::make_shared<const Transformer>(model, std::move(weights));
}

std::string weights_hash(const TensorMap& weights) {
  std::string parts;
  for (const auto& [name, weight] : weights) {
    const at::Tensor bytes = weight.detach().to(at::kCPU).contiguous();
    parts += name + " " + shape_text(bytes.sizes()) + " " +
             sha256_hex({static_cast<const std::byte*>(bytes.const_data_ptr()), bytes.nbytes()}) + "\n";
  }
  return sha256_hex(parts);
}

WeightAverage::WeightAverage(const TensorMap& leaves, double decay) : decay_(decay) {
  if (!on()) return;
  leaves_ = leaves;
  for (const auto& [name, leaf] : leaves_) averages_[name] = leaf.detach().clone();
}

void WeightAverage::update(int64_t updates) {
  const at::NoGradGuard no_grad;
  const double share = (1 - decay_) / (1 - std::pow(decay_, static_cast<double>(updates)));
  for (auto& [name, average] : averages_) average.lerp_(leaves_.at(name), share);
}

void WeightAverage::exchange() {
  const at::NoGradGuard no_grad;
  for (auto& [name, average] : averages_) {
    const at::Tensor& leaf = leaves_.at(name);
    const at::Tensor kept = leaf.detach().clone();
    leaf.copy_(average);
    average.copy_(kept);
  }
}

}  // namespace tacit
