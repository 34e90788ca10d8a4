#include "latent/policy_gradient.h"

#include <ATen/core/grad_mode.h>
#include <cmath>

#include "lib/core/error.h"

namespace tacit {

std::vector<double> group_advantages(std::span<const double> rewards, int64_t group) {
  require(group >= 2 && std::ssize(rewards) % group == 0, "group_advantages",
          "expected whole groups of at least 2 rollouts but got groups of ", group, " among ", rewards.size());
  constexpr double kLeastDeviation = 1e-4;
  std::vector<double> out;
  for (int64_t begin = 0; begin < std::ssize(rewards); begin += group) {
    const auto rollouts = rewards.subspan(begin, group);
    double mean = 0, square = 0;
    for (const double r : rollouts) mean += r / static_cast<double>(group);
    for (const double r : rollouts) square += (r - mean) * (r - mean) / static_cast<double>(group - 1);
    for (const double r : rollouts) out.push_back((r - mean) / (std::sqrt(square) + kLeastDeviation));
  }
  return out;
}

at::Tensor kl_estimate(const at::Tensor& log_p_N, const at::Tensor& reference_N) {
  const at::Tensor log_ratio_N = reference_N - log_p_N;
  return log_ratio_N.exp() - log_ratio_N - 1;
}

PolicyLoss policy_loss(const PolicyActions& actions, const PolicyLossOptions& options) {
  const auto N = actions.log_p_N.sizes();
  require(actions.old_N.sizes() == N && actions.advantage_N.sizes() == N && actions.share_N.sizes() == N &&
              (options.kl == 0 || options.reference_N.sizes() == N),
          "policy_loss", "expected ", actions.log_p_N.numel(), " actions everywhere");
  require(options.clip > 0 && options.kl >= 0, "policy_loss", "expected clip above 0 and kl of at least 0 but got ",
          options.clip, " and ", options.kl);
  // What the host worked out goes to where the policy computes.
  const at::Device device = actions.log_p_N.device();
  const at::Tensor advantage_N = actions.advantage_N.to(device);
  const at::Tensor ratio_N = (actions.log_p_N - actions.old_N.to(device)).exp();
  const at::Tensor plain_N = ratio_N * advantage_N;
  const at::Tensor clipped_N = ratio_N.clamp(1 - options.clip, 1 + options.clip) * advantage_N;
  at::Tensor gain_N = at::minimum(plain_N, clipped_N);
  PolicyLoss out;
  if (options.kl > 0) {
    const at::Tensor kl_N = kl_estimate(actions.log_p_N, options.reference_N.to(device));
    out.kl = kl_N.mean().item<double>();
    gain_N = gain_N - options.kl * kl_N;
  }
  out.loss = -(actions.share_N.to(device) * gain_N).sum();
  const at::NoGradGuard no_grad;
  out.clipped = (clipped_N < plain_N).to(at::kFloat).mean().item<double>();
  out.ratio_error = (ratio_N - 1).abs().max().item<double>();
  return out;
}

}  // namespace tacit
