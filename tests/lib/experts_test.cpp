// Routed experts against the obvious form: every expert runs over every token, and a table of weights, mostly zeros,
// says what counts.
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "lib/core/error.h"
#include "lib/model/sublayer.h"

using namespace tacit;

namespace {

// Feed-forward parts remember nothing.
struct NoMemory : Memory {
  at::Tensor attend(int64_t, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                    const AttentionOptions&) override {
    fail("test", "expected no attention");
  }
  at::Tensor state(int64_t, int64_t) const override { fail("test", "expected no state"); }
  void set_state(int64_t, int64_t, const at::Tensor&) override { fail("test", "expected no state"); }
  at::Tensor real_BT() const override { return {}; }
};

struct Routed {
  ModelConfig config;
  std::map<std::string, at::Tensor> weights;
  std::unique_ptr<Sublayer> experts;

  // Corrections about 3 leave every score positive.
  explicit Routed(const ExpertsConfig& e, double correction = 3) {
    config.hidden_size = 6;
    config.experts = e;
    experts = make_experts(config, [&](const std::string& name, const std::vector<int64_t>& shape) {
      at::Tensor weight = at::randn(shape);
      if (name == "router.correction") weight += correction;
      return weights[name] = weight.requires_grad_(true);
    });
  }
  at::Tensor operator()(const at::Tensor& x_BTD) const {
    NoMemory memory;
    Pass pass{.memory = memory};
    return (*experts)(x_BTD, 0, pass);
  }
  at::Tensor mlp(const std::string& name, const at::Tensor& x) const {
    const auto times = [&](const std::string& part, const at::Tensor& in) {
      return at::matmul(in, weights.at(name + "." + part + ".weight").t());
    };
    return times("down", at::silu(times("gate", x)) * times("up", x));
  }
};

using Row = std::vector<float>;

std::vector<size_t> best(const Row& scores, int64_t count) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(static_cast<size_t>(count));
  return order;
}

// [arXiv:2412.19437, equations 12 to 16], with groups as in section 2.1.2 and in transformers.
std::vector<size_t> chosen(Row scores, const ExpertsConfig& e) {
  const size_t size = scores.size() / static_cast<size_t>(e.groups);
  Row groups;
  for (size_t g = 0; g < static_cast<size_t>(e.groups); ++g) {
    const Row group(scores.begin() + static_cast<int64_t>(g * size),
                    scores.begin() + static_cast<int64_t>((g + 1) * size));
    float sum = 0;
    for (const size_t i : best(group, std::min<int64_t>(2, std::ssize(group)))) sum += group[i];
    groups.push_back(sum);
  }
  const std::vector<size_t> kept = best(groups, e.chosen_groups);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (std::ranges::find(kept, i / size) == kept.end()) scores[i] = 0;
  }
  return best(scores, e.chosen);
}

at::Tensor obvious(const Routed& subject, const at::Tensor& x_BTD) {
  const ExpertsConfig& e = subject.config.experts;
  const at::Tensor x_ND = x_BTD.flatten(0, 1);
  const at::Tensor logits = at::matmul(x_ND, subject.weights.at("router.weight").t());
  const at::Tensor affinity = e.sigmoid ? logits.sigmoid() : logits.softmax(-1);
  at::Tensor mask = at::zeros_like(affinity.detach());
  for (int64_t n = 0; n < mask.size(0); ++n) {
    at::Tensor scores = affinity[n].detach();
    if (e.correction_bias) scores = scores + subject.weights.at("router.correction").detach();
    const float* first = scores.const_data_ptr<float>();
    for (const size_t i : chosen(Row(first, first + e.count), e)) mask[n][static_cast<int64_t>(i)] = 1;
  }
  at::Tensor weight = affinity * mask;
  if (e.normalised) weight = weight / weight.sum(1, true);
  at::Tensor out = at::zeros_like(x_ND);
  for (int64_t i = 0; i < e.count; ++i) {
    out = out + e.scale * weight.narrow(1, i, 1) * subject.mlp("experts." + std::to_string(i), x_ND);
  }
  if (e.shared_mlp_size > 0) out = out + subject.mlp("shared", x_ND);
  return out.view_as(x_BTD);
}

// Of a number that depends on every value, by weight; an expert that nobody took has none.
std::map<std::string, at::Tensor> gradients(Routed& subject, const at::Tensor& out) {
  for (auto& [name, weight] : subject.weights) weight.mutable_grad() = at::Tensor();
  (out * at::arange(out.numel(), at::kFloat).view_as(out).sin()).sum().backward();
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, weight] : subject.weights) {
    result[name] = weight.grad().defined() ? weight.grad() : at::zeros_like(weight.detach());
  }
  return result;
}

const ExpertsConfig kMixtral = {.count = 4, .chosen = 2, .mlp_size = 5};
const ExpertsConfig kDeepSeek = {.count = 8,
                                 .chosen = 3,
                                 .mlp_size = 5,
                                 .shared_mlp_size = 7,
                                 .sigmoid = true,
                                 .correction_bias = true,
                                 .groups = 4,
                                 .chosen_groups = 2,
                                 .scale = 2.5};

}  // namespace

TEST_CASE("routed experts are the weighted sum over all experts, gradients included") {
  ExpertsConfig plain = kDeepSeek, one = kMixtral, all = kMixtral;
  plain.groups = plain.chosen_groups = 1;
  plain.normalised = false;
  one.count = one.chosen = 1;
  all.chosen = all.count;
  at::manual_seed(3);
  for (const ExpertsConfig& e : {kMixtral, kDeepSeek, plain, one, all}) {
    CAPTURE(e.count);
    CAPTURE(e.groups);
    Routed subject(e);
    const at::Tensor x = at::randn({3, 5, 6});
    const at::Tensor got = subject(x), expected = obvious(subject, x);
    CHECK(at::allclose(got, expected, 1e-4, 1e-5));
    const auto got_gradients = gradients(subject, got), expected_gradients = gradients(subject, expected);
    for (const auto& [name, gradient] : expected_gradients) {
      CAPTURE(name);
      CHECK(at::allclose(got_gradients.at(name), gradient, 1e-4, 1e-4));
    }
    if (e.correction_bias) CHECK(got_gradients.at("router.correction").abs().sum().item<float>() == 0);
  }
}

TEST_CASE("scores outside the chosen groups are 0, which beats a negative one inside") {
  ExpertsConfig e = kDeepSeek;
  e.count = 4;
  e.groups = 2;
  e.chosen_groups = 1;
  e.chosen = 2;
  at::manual_seed(4);
  Routed subject(e, /*correction=*/-20);
  const at::Tensor x = at::randn({2, 6, 6});
  CHECK(at::allclose(subject(x), obvious(subject, x), 1e-4, 1e-5));
}

TEST_CASE("a token's result does not depend on the tokens beside it") {
  at::manual_seed(5);
  for (const ExpertsConfig& e : {kMixtral, kDeepSeek}) {
    const Routed subject(e);
    const at::Tensor x = at::randn({4, 7, 6});
    const at::Tensor together = subject(x);
    for (int64_t b = 0; b < 4; ++b) {
      for (int64_t t = 0; t < 7; ++t) {
        const at::Tensor alone = subject(x.narrow(0, b, 1).narrow(1, t, 1));
        CHECK(at::allclose(alone, together.narrow(0, b, 1).narrow(1, t, 1), 1e-5, 1e-6));
      }
    }
  }
}
