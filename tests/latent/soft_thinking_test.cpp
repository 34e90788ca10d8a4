#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "latent/token_mixture.h"
#include "lib/core/error.h"
#include "tests/latent/procedure_checks.h"

using namespace tacit;
using tacit::test::SmallWorld;

namespace {

Procedure soft(const SmallWorld& world, const Json& options = Json::object()) {
  return bind_method(method("soft-thinking"), world.settings, world.tokenizer.get(), -1, kNoMethodWeights, options);
}

at::Tensor random_logits(int64_t rows, int64_t V, uint64_t seed) {
  Rng rng(seed);
  at::Tensor out = at::zeros({rows, V});
  for (int64_t i = 0; i < out.numel(); ++i) out.view(-1)[i] = 2 * rng.normal();
  return out;
}

// Said again in the plainest way: numbers in a list, cut and divided by their sum three times.
std::vector<double> restated(const std::vector<double>& logits, const MixtureOptions& options) {
  const size_t V = logits.size();
  std::vector<size_t> order(V);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  std::vector<double> w(V, 0);
  for (size_t v = 0; v < V; ++v) w[v] = std::exp((logits[v] - logits[order[0]]) / options.temperature);
  const auto renormalise = [&] {
    const double sum = std::accumulate(w.begin(), w.end(), 0.0);
    for (double& x : w) x /= sum;
  };
  renormalise();
  for (size_t rank = options.top_k == 0 ? V : options.top_k; rank < V; ++rank) w[order[rank]] = 0;
  renormalise();
  double before = 0;
  for (const size_t v : order) {
    const double weight = w[v];
    if (before >= options.top_p) w[v] = 0;
    before += weight;
  }
  renormalise();
  for (double& x : w) x = x < options.min_p * w[order[0]] ? 0 : x;
  renormalise();
  return w;
}

}  // namespace

TEST_CASE("a mixture's weights: softmax, then the likeliest, then the fewest that reach top_p, then min_p") {
  const at::Tensor logits_BV = random_logits(20, 18, 1);
  const std::vector<MixtureOptions> all = {{.temperature = 0.6, .top_k = 5, .top_p = 0.9, .min_p = 0.05},
                                           {.temperature = 2, .top_p = 0.5},
                                           {.top_k = 3},
                                           {.min_p = 0.3},
                                           {.temperature = 0.3}};
  for (const MixtureOptions& options : all) {
    const at::Tensor weight_BV = mixture_weights(logits_BV, options);
    for (int64_t b = 0; b < 20; ++b) {
      std::vector<double> logits;
      for (int64_t v = 0; v < 18; ++v) logits.push_back(logits_BV[b][v].item<double>());
      const std::vector<double> expected = restated(logits, options);
      for (int64_t v = 0; v < 18; ++v)
        CHECK(weight_BV[b][v].item<double>() == doctest::Approx(expected[v]).epsilon(1e-5));
    }
  }
  const at::Tensor one = mixture_weights(logits_BV, {.temperature = 0});
  CHECK(at::equal(one.argmax(-1), logits_BV.argmax(-1)));
  CHECK(at::equal(one.sum(-1), at::ones({20})));
  CHECK(at::equal(one.amax(-1), at::ones({20})));
  CHECK_THROWS_WITH_AS(mixture_weights(logits_BV, {.top_p = 0}), doctest::Contains("[mixture_weights] expected"),
                       Error);
}

TEST_CASE("entropy in nats, of the softmax at a temperature") {
  const at::Tensor logits_BV = random_logits(5, 18, 2);
  for (const double temperature : {0.5, 1.0}) {
    const std::vector<double> got = token_entropies(logits_BV, temperature);
    for (int64_t b = 0; b < 5; ++b) {
      double sum = 0, entropy = 0;
      for (int64_t v = 0; v < 18; ++v) sum += std::exp(logits_BV[b][v].item<double>() / temperature);
      for (int64_t v = 0; v < 18; ++v) {
        const double p = std::exp(logits_BV[b][v].item<double>() / temperature) / sum;
        entropy -= p * std::log(p);
      }
      CHECK(got[b] == doctest::Approx(entropy).epsilon(1e-5));
    }
  }
  CHECK(token_entropies(at::zeros({1, 16}))[0] == doctest::Approx(std::log(16)));
}

TEST_CASE("Dirichlet weights have the distribution's mean and variance, Gumbel weights sample at low temperature") {
  const at::Tensor weight_V = at::tensor({0.5, 0.3, 0.2, 0.0}, at::kFloat);
  Rng rng(4);
  constexpr int64_t kDraws = 5000;
  for (const double alpha : {0.5, 6.0}) {
    at::Tensor mean = at::zeros({4}), square = at::zeros({4});
    for (int64_t i = 0; i < kDraws; ++i) {
      const at::Tensor drawn = dirichlet_weights(weight_V, alpha, rng);
      mean += drawn / kDraws;
      square += drawn.square() / kDraws;
    }
    for (int64_t v = 0; v < 4; ++v) {
      const double w = weight_V[v].item<double>(), variance = w * (1 - w) / (alpha + 1);
      const double off = 5 * std::sqrt(variance / kDraws) + 1e-6;  // five standard errors
      CHECK(std::abs(mean[v].item<double>() - w) < off);
      CHECK(std::abs(square[v].item<double>() - mean[v].item<double>() * mean[v].item<double>() - variance) <
            0.1 * variance + 1e-6);
    }
  }
  std::vector<int64_t> times(4, 0);
  for (int64_t i = 0; i < kDraws; ++i) {
    const at::Tensor drawn = gumbel_weights(weight_V, 0.01, rng);
    ++times[drawn.argmax().item<int64_t>()];
  }
  for (int64_t v = 0; v < 4; ++v) {
    const double w = weight_V[v].item<double>();
    CHECK(std::abs(static_cast<double>(times[v]) / kDraws - w) < 5 * std::sqrt(w * (1 - w) / kDraws) + 1e-9);
  }
}

TEST_CASE("soft thinking at temperature 0 is greedy chain of thought: the same words, vectors and answers") {
  const SmallWorld world;
  const TokenRows prompts = test::some_prompts(12, 18);
  const Procedure words = bind_method(method("cot"), world.settings, world.tokenizer.get());
  const SolveOptions options{.max_answer_tokens = 3, .keep_trace = true};
  const Solution cot = solve(world.model, words, prompts, options);
  const Solution cold = solve(world.model, soft(world, {{"temperature", 0}}), prompts, options);
  const Solution warm = solve(world.model, soft(world, {{"temperature", 1}}), prompts, options);
  CHECK(cold.thoughts.tokens == cot.thoughts.tokens);
  CHECK(at::equal(cold.thoughts.trace_BKD, cot.thoughts.trace_BKD));
  for (size_t b = 0; b < prompts.size(); ++b) CHECK(cold.answers[b].tokens == cot.answers[b].tokens);
  CHECK_FALSE(at::equal(warm.thoughts.trace_BKD[0][0], cot.thoughts.trace_BKD[0][0]));
}

TEST_CASE("a soft thought is the embeddings' mean under the weights") {
  const SmallWorld world;
  Session session(world.model, {.rows = 1, .capacity = 40});
  session.prefill({{1, 2, 3}});
  const at::Tensor p = at::softmax(session.logits_BV()[0] / 0.7, -1);
  at::Tensor expected = at::zeros({world.model->config().hidden_size});
  for (int64_t v = 0; v < 18; ++v) expected += p[v] * test::embedding_of(*world.model, v);
  const Procedure procedure = soft(world, {{"temperature", 0.7}, {"top_k", 0}, {"top_p", 1.0}, {"min_p", 0.0}});
  ThinkOptions think = procedure.think;
  think.max_steps = 1;
  think.keep_trace = true;
  CHECK(at::allclose(session.think(think).trace_BKD[0][0], expected, 1e-4, 1e-4));
}

TEST_CASE("soft thoughts are a row's own, with and without noise") {
  const SmallWorld world;
  const TokenRows prompts = test::some_prompts(6, 18);
  for (const Json& options : {Json{{"temperature", 1.0}, {"cold_entropy", 2.6}, {"cold_steps", 3}},
                              Json{{"noise", "gumbel"}, {"temperature", 1.0}},
                              Json{{"noise", "dirichlet"}, {"temperature", 1.0}, {"dirichlet_alpha", 4.0}}}) {
    INFO(options.dump());
    test::check_procedure(world.model, soft(world, options), prompts);
  }
  for (const char* noise : {"gumbel", "dirichlet"}) {
    const auto thoughts = [&](int64_t seed) {
      return solve(world.model, soft(world, {{"noise", noise}, {"temperature", 1.0}, {"seed", seed}}), prompts,
                   {.keep_trace = true})
          .thoughts.trace_BKD;
    };
    CHECK(at::equal(thoughts(1), thoughts(1)));
    CHECK_FALSE(at::equal(thoughts(1)[0][0], thoughts(2)[0][0]));
  }
}

TEST_CASE("cold stop ends a chain when the entropy has been low for some steps in succession, and not before") {
  const SmallWorld world;
  const auto model = test::decided(*world.model);
  const TokenRows prompts = test::some_prompts(12, 18);
  const Procedure endless = soft(world, {{"temperature", 1.0}});
  std::vector<std::vector<double>> entropies(prompts.size());  // before each thought that is taken without a cold stop
  std::vector<double> lowest;                                  // least larger one of two in succession
  for (size_t b = 0; b < prompts.size(); ++b) {
    Session session(model, {.rows = 1, .capacity = 60});
    session.prefill(with_suffix(endless, {prompts[b]}));
    ThinkOptions one = endless.think;
    one.max_steps = 1;
    lowest.push_back(INFINITY);
    for (int64_t t = 0; t < 9; ++t) {
      entropies[b].push_back(token_entropies(session.logits_BV())[0]);
      if (t > 0) lowest[b] = std::min(lowest[b], std::max(entropies[b][t - 1], entropies[b][t]));
      if (session.think(one).steps[0] == 0) break;
    }
  }
  std::vector<double> sorted = lowest;
  std::ranges::sort(sorted);
  const double threshold = (sorted[5] + sorted[6]) / 2;  // six of twelve chains have two in succession below it
  REQUIRE(sorted[5] < sorted[6]);
  const Json options = {{"temperature", 1.0}, {"cold_entropy", threshold}, {"cold_steps", 2}};
  const std::vector<int64_t> steps = solve(model, soft(world, options), prompts).thoughts.steps;
  for (size_t b = 0; b < prompts.size(); ++b) {
    const auto& before = entropies[b];
    int64_t expected = solve(model, endless, {prompts[b]}).thoughts.steps[0];
    for (int64_t t = std::ssize(before) - 1; t > 0; --t) {
      if (before[t - 1] < threshold && before[t] < threshold) expected = t;
    }
    CHECK(steps[b] == expected);
  }
}

TEST_CASE("soft thinking's options are refused by name") {
  const SmallWorld world;
  CHECK_THROWS_WITH_AS(soft(world, {{"noise", "white"}}), doctest::Contains("'noise' to be none, gumbel or dirichlet"),
                       Error);
  CHECK_THROWS_WITH_AS(soft(world, {{"top_p", 0.0}}), doctest::Contains("'top_p' to lie in 0..1"), Error);
  CHECK_THROWS_WITH_AS(soft(world, {{"cold_steps", 0}}), doctest::Contains("'cold_steps' to be at least 1"), Error);
  CHECK_THROWS_WITH_AS(soft(world, {{"topk", 3}}), doctest::Contains("did you mean 'top_k'?"), Error);
}
