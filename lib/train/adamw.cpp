#include "lib/train/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <algorithm>
#include <cmath>

#include "lib/core/error.h"
#include "lib/train/update_cpu.h"

namespace tacit {

static bool is_plain_fp32(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.is_contiguous();
}

// What LibTorch updates in one pass over many tensors.
static bool is_fused_on_cuda(const at::Tensor& weight, const at::Tensor& gradient) {
  return weight.is_cuda() && gradient.is_cuda() && weight.scalar_type() == at::kFloat &&
         gradient.scalar_type() == at::kFloat && weight.strides() == gradient.strides() &&
         weight.is_non_overlapping_and_dense();
}

AdamW::AdamW(std::map<std::string, at::Tensor> weights, const AdamWOptions& options)
    : weights_(std::move(weights)), options_(options) {
  reset();
}

void AdamW::reset() {
  for (const auto& [name, weight] : weights_) {
    m_[name] = at::zeros_like(weight.detach());
    v_[name] = at::zeros_like(weight.detach());
  }
  updates_ = 0;
}

void AdamW::restore(const std::map<std::string, at::Tensor>& first, const std::map<std::string, at::Tensor>& second,
                    int64_t updates) {
  for (const auto& [name, weight] : weights_) {
    require(first.contains(name) && second.contains(name), "resume", "expected optimiser moments of '", name,
            "' but got none");
    m_[name].copy_(first.at(name));
    v_[name].copy_(second.at(name));
  }
  updates_ = updates;
}

void AdamW::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  ++updates_;
  const double correction1 = 1 - std::pow(options_.beta1, updates_),
               correction2 = 1 - std::pow(options_.beta2, updates_);
  struct Fused {
    std::vector<at::Tensor> weights, gradients, first, second;
  } plain, decaying;
  for (auto& [name, weight] : weights_) {
    const at::Tensor& gradient = weight.grad();
    if (!gradient.defined()) continue;
    at::Tensor &m = m_[name], &v = v_[name];
    const bool decays = weight.dim() >= 2;
    if (is_fused_on_cuda(weight, gradient)) {
      Fused& part = decays ? decaying : plain;
      part.weights.push_back(weight);
      part.gradients.push_back(gradient);
      part.first.push_back(m);
      part.second.push_back(v);
      continue;
    }
    const double keep = decays ? 1 - learning_rate * options_.weight_decay : 1;
    if (is_plain_fp32(weight) && is_plain_fp32(gradient) && is_plain_fp32(m) && is_plain_fp32(v)) {
      update_cpu({.count = weight.numel(),
                  .weight = weight.mutable_data_ptr<float>(),
                  .first = m.mutable_data_ptr<float>(),
                  .second = v.mutable_data_ptr<float>(),
                  .gradient = gradient.const_data_ptr<float>(),
                  .beta1 = static_cast<float>(options_.beta1),
                  .beta2 = static_cast<float>(options_.beta2),
                  .eps = static_cast<float>(options_.eps),
                  .keep = static_cast<float>(keep),
                  .rate = static_cast<float>(learning_rate / correction1),
                  .root = static_cast<float>(std::sqrt(correction2))});
      weight.unsafeGetTensorImpl()->bump_version();
      continue;
    }
    weight.mul_(keep);
    m.lerp_(gradient, 1 - options_.beta1);
    v.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const at::Tensor denominator = v.sqrt().div_(std::sqrt(correction2)).add_(options_.eps);
    weight.addcdiv_(m, denominator, -learning_rate / correction1);
  }
  for (const Fused* part : {&plain, &decaying}) {
    if (part->weights.empty()) continue;
    const at::Tensor updates = at::full({}, static_cast<double>(updates_), part->weights[0].options());
    const std::vector<at::Tensor> steps(part->weights.size(), updates);
    at::_fused_adamw_(part->weights, part->gradients, part->first, part->second, {}, steps, learning_rate,
                      options_.beta1, options_.beta2, part == &plain ? 0 : options_.weight_decay, options_.eps,
                      /*amsgrad=*/false, /*maximize=*/false);
    for (const at::Tensor& weight : part->weights) weight.unsafeGetTensorImpl()->bump_version();
  }
}

void AdamW::zero_grad() {
  for (auto& [name, weight] : weights_) weight.mutable_grad() = at::Tensor();
}

double clip_gradients(const std::map<std::string, at::Tensor>& weights, double max_norm) {
  const at::NoGradGuard no_grad;
  double sum = 0;
  std::vector<at::Tensor> on_cuda;  // their norms cross to the host together
  for (const auto& [name, weight] : weights) {
    const at::Tensor& gradient = weight.grad();
    if (!gradient.defined()) continue;
    if (gradient.is_cuda()) {
      on_cuda.push_back(gradient);
      continue;
    }
    sum += is_plain_fp32(gradient) ? square_sum_cpu(gradient.const_data_ptr<float>(), gradient.numel())
                                   : gradient.to(at::kDouble).square().sum().item<double>();
  }
  if (!on_cuda.empty()) sum += at::stack(at::_foreach_norm(on_cuda, 2)).to(at::kDouble).square().sum().item<double>();
  const double norm = std::sqrt(sum);
  if (max_norm > 0 && norm > max_norm) {
    for (const auto& [name, weight] : weights) {
      if (weight.grad().defined() && !weight.grad().is_cuda()) weight.grad().mul_(max_norm / norm);
    }
    if (!on_cuda.empty()) at::_foreach_mul_(on_cuda, max_norm / norm);
  }
  return norm;
}

double Schedule::factor(int64_t step) const {
  const double warm =
      warmup_steps > 0 ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(warmup_steps)) : 1;
  const double decay_steps = decay_fraction * static_cast<double>(steps);
  if (decay_steps < 1) return warm;
  const double left = static_cast<double>(steps - step) / decay_steps;
  return warm * (final_ratio + (1 - final_ratio) * std::clamp(left, 0.0, 1.0));
}

}  // namespace tacit
