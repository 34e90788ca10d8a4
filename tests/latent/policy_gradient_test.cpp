#include "latent/policy_gradient.h"

#include <doctest/doctest.h>

#include <cmath>

#include "latent/rollout.h"
#include "lib/core/error.h"
#include "tests/latent/procedure_checks.h"

using namespace tacit;

namespace {

at::Tensor fp32_tensor(const std::vector<double>& values) { return at::tensor(values, at::kFloat); }

}  // namespace

TEST_CASE("advantages: a group's rewards, less their mean, over their deviation; 0 where all are alike") {
  const std::vector<double> rewards = {1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 3};
  const std::vector<double> got = group_advantages(rewards, 4);
  for (size_t g = 0; g < 3; ++g) {
    double mean = 0, square = 0, sum = 0;
    for (size_t i = 0; i < 4; ++i) mean += rewards[4 * g + i] / 4;
    for (size_t i = 0; i < 4; ++i) square += std::pow(rewards[4 * g + i] - mean, 2);
    for (size_t i = 0; i < 4; ++i) {
      CHECK(got[4 * g + i] == doctest::Approx((rewards[4 * g + i] - mean) / (std::sqrt(square / 3) + 1e-4)));
      sum += got[4 * g + i];
    }
    CHECK(std::abs(sum) < 1e-9);
  }
  CHECK(got[4] == 0);
  CHECK_THROWS_WITH_AS(group_advantages(rewards, 5), doctest::Contains("groups of 5 among 12"), Error);
  CHECK_THROWS_WITH_AS(group_advantages(rewards, 1), doctest::Contains("at least 2"), Error);
}

TEST_CASE("the clipped surrogate, its gradient and the divergence, action by action") {
  const std::vector<double> log_p = {-1.0, -0.5, -2.0, -0.1, -3.0}, old = {-1.3, -0.5, -1.5, -0.6, -2.9};
  const std::vector<double> advantage = {1, -2, 0.5, -1, -0.3}, share = {0.1, 0.3, 0.2, 0.25, 0.15};
  const std::vector<double> reference = {-1.2, -0.4, -2.5, -0.1, -1.0};
  for (const double kl : {0.0, 0.3}) {
    const at::Tensor log_p_N = fp32_tensor(log_p).set_requires_grad(true);
    const PolicyLoss got = policy_loss({log_p_N, fp32_tensor(old), fp32_tensor(advantage), fp32_tensor(share)},
                                       {.clip = 0.2, .kl = kl, .reference_N = fp32_tensor(reference)});
    got.loss.backward();
    double loss = 0, divergence = 0;
    for (size_t n = 0; n < 5; ++n) {
      const double r = std::exp(log_p[n] - old[n]), q = reference[n] - log_p[n];
      const double inside = std::min(std::max(r, 0.8), 1.2);
      const bool cut = inside * advantage[n] < r * advantage[n];
      loss -= share[n] * (std::min(r * advantage[n], inside * advantage[n]) - kl * (std::exp(q) - q - 1));
      divergence += (std::exp(q) - q - 1) / 5;
      const double slope = -share[n] * ((cut ? 0 : r * advantage[n]) - kl * (1 - std::exp(q)));
      CHECK(log_p_N.grad()[n].item<double>() == doctest::Approx(slope).epsilon(1e-4));
    }
    CHECK(got.loss.item<double>() == doctest::Approx(loss).epsilon(1e-4));
    if (kl > 0) CHECK(got.kl == doctest::Approx(divergence).epsilon(1e-4));
    CHECK(got.clipped == doctest::Approx(0.2));  // the first; of the others that are far off none is favoured
  }
}

TEST_CASE("the k3 estimate is never negative and its mean under the policy is the divergence") {
  Rng rng(3);
  at::Tensor p_V = at::zeros({12}), q_V = at::zeros({12});
  for (int64_t v = 0; v < 12; ++v) p_V[v] = rng.normal(), q_V[v] = rng.normal();
  const at::Tensor log_p_V = at::log_softmax(p_V, -1), log_q_V = at::log_softmax(q_V, -1);
  const at::Tensor estimate_V = kl_estimate(log_p_V, log_q_V);
  CHECK(estimate_V.min().item<double>() >= 0);
  const double expected = (log_p_V.exp() * (log_p_V - log_q_V)).sum().item<double>();
  CHECK((log_p_V.exp() * estimate_V).sum().item<double>() == doctest::Approx(expected).epsilon(1e-4));
}

TEST_CASE("a bandit learns its best arm from group advantages") {
  const std::vector<double> pays = {0.1, 0.3, 0.8, 0.2};
  at::Tensor logits_V = at::zeros({4}).set_requires_grad(true);
  std::vector<Rng> rngs = {Rng(1)};
  Rng coin(2);
  const int64_t group = 16;
  for (int64_t step = 0; step < 150; ++step) {
    const std::vector<char> wanted = {1};
    std::vector<double> rewards, old, share(group, 1.0 / group);
    std::vector<int64_t> arms;
    for (int64_t i = 0; i < group; ++i) {
      const TokenDraw draw = draw_tokens(logits_V.detach().unsqueeze(0), 1, rngs, wanted)[0];
      arms.push_back(draw.token);
      old.push_back(draw.log_p);
      rewards.push_back(coin.uniform() < pays[draw.token] ? 1 : 0);
    }
    const at::Tensor log_p_N = at::log_softmax(logits_V, -1).index_select(0, at::tensor(arms, at::kLong));
    const PolicyLoss loss =
        policy_loss({log_p_N, fp32_tensor(old), fp32_tensor(group_advantages(rewards, group)), fp32_tensor(share)});
    CHECK(loss.ratio_error < 1e-5);
    loss.loss.backward();
    const at::Tensor next_V = (logits_V.detach() - 0.2 * logits_V.grad()).clone();
    logits_V = next_V.set_requires_grad(true);
  }
  const at::Tensor p_V = at::softmax(logits_V.detach(), -1);
  double expected = 0;
  for (int64_t v = 0; v < 4; ++v) expected += p_V[v].item<double>() * pays[v];
  CHECK(p_V.argmax().item<int64_t>() == 2);
  CHECK(expected > 0.7);  // 0.35 at the start, 0.8 at best
}

TEST_CASE("tokens are drawn with the frequencies of the softmax, and by the row's own numbers") {
  const at::Tensor logits_BV = at::tensor({0.3, -1.0, 1.2, 0.0, 2.0, 0.0, -3.0, 0.5}, at::kFloat).view({2, 4});
  constexpr int64_t kDraws = 5000;
  for (const double temperature : {0.5, 1.0}) {
    std::vector<Rng> rngs = {Rng(1, 0), Rng(1, 1)};
    std::vector<std::vector<int64_t>> times(2, std::vector<int64_t>(4, 0));
    const at::Tensor log_p_BV = at::log_softmax(logits_BV / temperature, -1);
    for (int64_t i = 0; i < kDraws; ++i) {
      const auto draws = draw_tokens(logits_BV, temperature, rngs, {1, 1});
      for (int64_t b = 0; b < 2; ++b) {
        ++times[b][draws[b].token];
        if (i < 10) CHECK(draws[b].log_p == doctest::Approx(log_p_BV[b][draws[b].token].item<double>()).epsilon(1e-5));
      }
    }
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t v = 0; v < 4; ++v) {
        const double p = std::exp(log_p_BV[b][v].item<double>());
        CHECK(std::abs(static_cast<double>(times[b][v]) / kDraws - p) < 5 * std::sqrt(p * (1 - p) / kDraws) + 1e-9);
      }
    }
  }
  std::vector<Rng> both = {Rng(1, 0), Rng(1, 1)}, second = {Rng(7), Rng(1, 1)};
  for (int64_t i = 0; i < 20; ++i) {
    CHECK(draw_tokens(logits_BV, 1, both, {1, 1})[1].token == draw_tokens(logits_BV, 1, second, {0, 1})[1].token);
  }
  CHECK(draw_tokens(logits_BV, 0, both, {1, 1})[0].token == 2);
}
