#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

namespace tacit {

// Rewards of `group` rollouts of one prompt after another -> (reward - mean) / (deviation + 1e-4) within each group,
// the deviation over group - 1: no critic [GRPO, arXiv:2402.03300, section 4.1.2]. A group's advantages sum to 0; where
// all rewards are alike they are 0. Needs group >= 2 and whole groups.
std::vector<double> group_advantages(std::span<const double> rewards, int64_t group);

// What was drawn, one entry an action, all fp32 of one length N.
struct PolicyActions {
  at::Tensor log_p_N;      // of the policy, with gradient
  at::Tensor old_N;        // of the policy that drew, constant
  at::Tensor advantage_N;  // of its rollout
  at::Tensor share_N;      // in the loss
};

struct PolicyLossOptions {
  double clip = 0.2;       // ratios leave no gradient beyond 1 +- clip where it would be in the advantage's favour
  double kl = 0;           // weight of the divergence from the reference
  at::Tensor reference_N;  // log probabilities of the same actions under the reference, constant; needed where kl > 0
};

struct PolicyLoss {
  at::Tensor loss;         // scalar, with gradient
  double kl = 0;           // mean over the actions, nats
  double clipped = 0;      // share of the actions whose gradient is cut
  double ratio_error = 0;  // largest |p / old - 1|: 0 but for rounding while the policy is the one that drew
};

// -sum share * (min(r A, clamp(r, 1 - clip, 1 + clip) A) - kl k3), r = p / old [PPO, arXiv:1707.06347, equation 7;
// GRPO, equation 3], k3 = q / p - log(q / p) - 1 with the reference's q: never negative, its mean is KL(p, q) [GRPO,
// equation 4].
PolicyLoss policy_loss(const PolicyActions& actions, const PolicyLossOptions& options = {});

// The k3 estimate of each action.
at::Tensor kl_estimate(const at::Tensor& log_p_N, const at::Tensor& reference_N);

}  // namespace tacit
