#include "decoding/contrast.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "decoding/solve.h"
#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

std::vector<double> softmax_of(const std::vector<float>& logits) {
  std::vector<double> out;
  double sum = 0;
  for (const float x : logits) out.push_back(std::exp(static_cast<double>(x))), sum += out.back();
  for (double& p : out) p /= sum;
  return out;
}

// The formula, number by number. -> the token of the highest score
int64_t contrasted(const at::Tensor& logits_V, const at::Tensor& other_V, const ContrastOptions& options) {
  const auto numbers = [](const at::Tensor& x_V) {
    const at::Tensor host_V = x_V.contiguous();
    return std::vector<float>(host_V.const_data_ptr<float>(), host_V.const_data_ptr<float>() + host_V.numel());
  };
  const std::vector<double> p = softmax_of(numbers(logits_V)), q = softmax_of(numbers(other_V));
  const double largest = *std::ranges::max_element(p);
  int64_t best = -1;
  double best_score = -INFINITY;
  for (size_t v = 0; v < p.size(); ++v) {
    if (p[v] < options.plausible * largest) continue;
    const double score = (1 + options.weight) * std::log(p[v]) - options.weight * std::log(q[v]);
    if (score > best_score) best_score = score, best = static_cast<int64_t>(v);
  }
  return best;
}

TEST_CASE("contrasted scores are the formula, and implausible tokens are out") {
  const at::Tensor logits = at::tensor({2.f, 1.f, 0.f, -6.f}).unsqueeze(0),
                   other = at::tensor({2.f, -1.f, 0.f, -9.f}).unsqueeze(0);
  const at::Tensor scores = contrast_scores(logits, other, {.weight = 3, .plausible = .05})[0];
  const auto p = softmax_of({2, 1, 0, -6}), q = softmax_of({2, -1, 0, -9});
  for (int64_t v = 0; v < 3; ++v)
    CHECK(scores[v].item<double>() == doctest::Approx(4 * std::log(p[v]) - 3 * std::log(q[v])).epsilon(1e-12));
  CHECK(scores[3].item<double>() == -INFINITY);
  CHECK(std::isfinite(contrast_scores(logits, other, {.plausible = 0})[0][3].item<double>()));
  CHECK(holds(error_of([&] { contrast_scores(logits, other, {.weight = -1}); }), "[contrast] expected a weight"));
  CHECK(holds(error_of([&] { contrast_scores(logits, other, {.plausible = 2}); }), "plausible in 0..1"));
}

TEST_CASE("contrast decodes by what thoughts add, step by step") {
  const auto model = test::tiny_model();
  bool changed = false;
  SolveOptions same;
  same.strategy.kind = StrategyKind::contrast;
  same.strategy.contrast.thoughts = 100;
  CHECK(holds(error_of([&] { solve(model, procedures().at("latent"), random_prompts(1), same); }),
              "expected fewer thoughts of the other side"));
  for (const char* name : {"latent", "words", "parallel"}) {
    const Procedure procedure = procedures().at(name);
    for (const int64_t thoughts : {0, 1}) {
      for (const auto& prompt : random_prompts(4)) {
        CAPTURE(name);
        CAPTURE(thoughts);
        SolveOptions options{.max_answer_tokens = 5};
        const Solution greedy = solve(model, procedure, {prompt}, options);
        options.strategy.kind = StrategyKind::contrast;
        options.strategy.contrast = {.weight = 4, .plausible = .02, .thoughts = thoughts};
        const Solution got = solve(model, procedure, {prompt}, options);
        CHECK(got.thoughts.steps == greedy.thoughts.steps);
        changed = changed || got.answers[0].tokens != greedy.answers[0].tokens;
        if (std::string(name) == "parallel" && thoughts == 1) continue;  // fewer positions are other thoughts

        std::vector<int64_t> start = prompt;
        start.push_back(17);
        Session with(model, {.rows = 1, .capacity = 128}), without(model, {.rows = 1, .capacity = 128});
        with.prefill({start});
        without.prefill({start});
        ThinkOptions fewer = procedure.think;
        fewer.max_steps = std::min(fewer.max_steps, thoughts);
        if (procedure.parallel) {
          with.think_in_parallel(*procedure.parallel);
        } else {
          with.think(procedure.think);
          without.think(fewer);
        }
        with.feed({18, 16});
        without.feed({18, 16});
        std::vector<int64_t> expected;
        while (expected.size() < 5) {
          const int64_t token = contrasted(with.logits_BV()[0], without.logits_BV()[0], options.strategy.contrast);
          if (token == 3) break;
          expected.push_back(token);
          with.feed({token});
          without.feed({token});
        }
        CHECK(got.answers[0].tokens == expected);
      }
    }
  }
  CHECK(changed);
}

TEST_CASE("a contrast of weight 0 is greedy decoding") {
  const auto model = test::tiny_model();
  for (const auto& prompt : random_prompts(6)) {
    SolveOptions options{.max_answer_tokens = 6};
    const Solution greedy = solve(model, procedures().at("latent"), {prompt}, options);
    options.strategy.kind = StrategyKind::contrast;
    options.strategy.contrast.weight = 0;
    CHECK(solve(model, procedures().at("latent"), {prompt}, options).answers[0].tokens == greedy.answers[0].tokens);
  }
}

}  // namespace
}  // namespace tacit
