#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "latent/methods/colar_head.h"
#include "latent/methods/colar_loss.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "tests/latent/procedure_checks.h"

using namespace tacit;
using tacit::test::SmallWorld;

namespace {

MethodWeights head_of(const SmallWorld& world) {
  return gaussian_head_weights(world.model->config().hidden_size, 24, /*seed=*/2);
}

Procedure colar(const SmallWorld& world, const Json& options = Json::object()) {
  return bind_method(method("colar"), world.settings, world.tokenizer.get(), -1, head_of(world), options);
}

std::map<std::string, double> figures_of(const LatentLoss& loss) { return {loss.figures.begin(), loss.figures.end()}; }

const TokenRows kChains = {{7, 2, 4, 8, 9}, {1}, {3, 3, 5, 6}};

}  // namespace

TEST_CASE("a compressed embedding is the chunk's sum over the root of its length; of one token it is the token's") {
  const SmallWorld world;
  const at::NoGradGuard no_grad;
  const at::Tensor e = world.model->embed(at::tensor(kChains[0], at::kLong));
  CHECK(at::equal(compressed_embeddings(e, 1), e));
  const at::Tensor two = compressed_embeddings(e, 2);
  REQUIRE(two.size(0) == 3);
  CHECK(at::allclose(two[0], (e[0] + e[1]) / std::sqrt(2.0)));
  CHECK(at::allclose(two[1], (e[2] + e[3]) / std::sqrt(2.0)));
  CHECK(at::equal(two[2], e[4]));
  CHECK(at::allclose(compressed_embeddings(e, 9)[0], e.sum(0) / std::sqrt(5.0)));
  CHECK_THROWS_WITH_AS(compressed_embeddings(e, 0), doctest::Contains("[compressed_embeddings] expected"), Error);
}

TEST_CASE("a training sequence: prompt, compressed chain, tail; labels are tokens of the chunk, one drawn") {
  const SmallWorld world;
  const at::NoGradGuard no_grad;
  const TokenRows prompts = {{1, 2}, {3}, {4, 5, 6}}, tails = {{16, 9, 17}, {16, 1, 17}, {16, 6, 17}};
  for (const int64_t factor : {1, 2, 3}) {
    std::vector<std::vector<int64_t>> seen(4);  // labels of the first chunk's four rows of draws
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const ColarSequences s = colar_sequences(*world.model, prompts, kChains, tails, factor, seed);
      size_t label = 0, fed = 0;
      for (size_t b = 0; b < 3; ++b) {
        const at::Tensor chunks = compressed_embeddings(world.model->embed(at::tensor(kChains[b], at::kLong)), factor);
        CHECK(s.rows[b].thoughts == chunks.size(0));
        CHECK(s.rows[b].prompt == prompts[b]);
        for (int64_t k = 0; k < chunks.size(0); ++k, ++label, ++fed) {
          CHECK(at::allclose(s.input_ND[static_cast<int64_t>(fed)], chunks[k], 1e-5, 1e-5));
          const auto begin = kChains[b].begin() + k * factor;
          const auto end = kChains[b].begin() + std::min<int64_t>((k + 1) * factor, std::ssize(kChains[b]));
          CHECK(std::find(begin, end, s.label[label]) != end);
          CHECK(s.label_row[label] == static_cast<int64_t>(b));
          CHECK(s.label_position[label] == k);
        }
        for (size_t t = 0; t < 3; ++t, ++label) {
          CHECK(s.label[label] == tails[b][t]);
          CHECK(s.label_position[label] == chunks.size(0) + static_cast<int64_t>(t));
          if (t < 2)
            CHECK(at::allclose(s.input_ND[static_cast<int64_t>(fed++)], test::embedding_of(*world.model, tails[b][t])));
        }
      }
      CHECK(label == s.label.size());
      CHECK(static_cast<int64_t>(fed) == s.input_ND.size(0));
      seen[0].push_back(s.label[0]);
    }
    std::ranges::sort(seen[0]);
    const auto different = std::ranges::unique(seen[0]).begin() - seen[0].begin();
    CHECK(different == factor);  // every token of the first chunk has been a label
  }
}

TEST_CASE("the head's losses are those of a Gaussian, coordinate by coordinate") {
  const SmallWorld world;
  const at::NoGradGuard no_grad;
  const MethodWeights head = head_of(world);
  const at::Tensor hidden = at::sin(at::arange(64, at::kFloat)).view({2, 32}), x = at::cos(hidden * 3);
  const Gaussian g = gaussian_head(head, hidden);
  const at::Tensor nll = gaussian_nll(g, x), square = gaussian_square_error(g, x);
  for (int64_t n = 0; n < 2; ++n) {
    double expected = 0, error = 0;
    for (int64_t d = 0; d < 32; ++d) {
      const double mean = g.mean[n][d].item<double>(), sigma = std::exp(g.log_sigma[n][d].item<double>());
      const double off = x[n][d].item<double>() - mean;
      const double density = std::exp(-off * off / (2 * sigma * sigma)) / (sigma * std::sqrt(2 * std::numbers::pi));
      expected -= std::log(density) / 32;
      error += (off * off + sigma * sigma) / 32;
    }
    CHECK(nll[n].item<double>() == doctest::Approx(expected).epsilon(1e-4));
    CHECK(square[n].item<double>() == doctest::Approx(error).epsilon(1e-4));
  }
  // The squared error of samples.
  Rng rng(5);
  double sum = 0;
  constexpr int64_t kDraws = 4000;
  const at::Tensor sigma = g.log_sigma[0].exp();
  for (int64_t i = 0; i < kDraws; ++i) {
    at::Tensor noise = at::zeros({32});
    for (int64_t d = 0; d < 32; ++d) noise[d] = rng.normal();
    sum += (g.mean[0] + sigma * noise - x[0]).square().mean().item<double>() / kDraws;
  }
  CHECK(sum == doctest::Approx(square[0].item<double>()).epsilon(0.03));
}

TEST_CASE("the supervised loss of one row, position by position") {
  SmallWorld world;
  const Example example = world.example("5 7 | 7 9", {"7", "2", "4"}, "9");
  const MethodWeights head = head_of(world);
  const std::vector<TrainingRow> rows = {method("colar").row(example, {world.settings, *world.tokenizer, 0, 0})};
  for (const char* kind : {"nll", "mse"}) {
    world.settings.options = method_options(method("colar"),
                                            {{"latent_loss", kind},
                                             {"compression", 3},
                                             {"embedding_std", 2.0},
                                             {"token_weight", 0.5},
                                             {"latent_weight", 3.0}},
                                            "test");
    const ObjectiveContext context{world.settings, *world.tokenizer, 0, 0, /*seed=*/9};
    const LatentLoss got = method("colar").loss({*world.model, head, rows, {example}, context, {}, /*training=*/false});
    std::vector<int64_t> prompt = world.tokenizer->encode("5 7 | 7 9 [T] [T] [T]");
    const std::vector<int64_t> tail = world.tokenizer->encode("[A] 9 [E]");
    const at::NoGradGuard no_grad;
    Unroll unroll(*world.model, {prompt});
    const at::Tensor z =
        compressed_embeddings(world.model->embed(at::tensor(world.tokenizer->encode("7 2 4"), at::kLong)), 3);
    const Gaussian g = gaussian_head(head, unroll.last_BD());
    const at::Tensor gold = z / 2;
    const double latent =
        (std::string(kind) == "nll" ? gaussian_nll(g, gold) : gaussian_square_error(g, gold)).item<double>();
    const auto cross_entropy = [&](int64_t token) {
      return -at::log_softmax(world.model->logits(unroll.last_BD()), -1)[0][token].item<double>();
    };
    std::vector<double> chunk;  // the label is one of three
    for (const int64_t token : world.tokenizer->encode("7 2 4")) chunk.push_back(cross_entropy(token));
    unroll.feed(z.unsqueeze(0));
    double tokens = 0;
    for (const int64_t token : tail) {
      tokens += cross_entropy(token);
      unroll.feed(test::embedding_of(*world.model, token).view({1, 1, -1}));
    }
    bool one_of_them = false;
    for (const double label : chunk) {
      const double expected = 0.5 * (label + tokens) / 4 + 3 * latent;
      one_of_them = one_of_them || std::abs(got.total.item<double>() - expected) < 1e-4;
    }
    CHECK(one_of_them);
    CHECK(figures_of(got).at("latent_loss") == doctest::Approx(latent).epsilon(1e-4));
    CHECK(figures_of(got).at("compression") == 3);
  }
  // In training the factor is drawn for each batch.
  std::vector<double> factors;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const ObjectiveContext context{world.settings, *world.tokenizer, 0, 0, seed};
    factors.push_back(
        figures_of(method("colar").loss({*world.model, head, rows, {example}, context, {}})).at("compression"));
  }
  std::ranges::sort(factors);
  factors.erase(std::unique(factors.begin(), factors.end()), factors.end());
  CHECK(factors == std::vector<double>{1, 2, 3, 4, 5});
}

TEST_CASE("sampled latents are a row's own; without spread they are the mean of what the head says") {
  const SmallWorld world;
  const TokenRows prompts = test::some_prompts(6, 18);
  test::check_procedure(world.model, colar(world, {{"seed", 3}}), prompts);
  test::check_procedure(world.model, colar(world, {{"spread", 0.0}, {"compression", 1}}), prompts);
  const auto thoughts = [&](const Json& options) {
    return solve(world.model, colar(world, options), prompts, {.keep_trace = true}).thoughts.trace_BKD;
  };
  CHECK(at::equal(thoughts({{"seed", 1}}), thoughts({{"seed", 1}})));
  CHECK_FALSE(at::allclose(thoughts({{"seed", 1}})[0][0], thoughts({{"seed", 2}})[0][0]));
  const at::Tensor mean = thoughts({{"spread", 0.0}, {"embedding_std", 3.0}});
  CHECK(at::allclose(thoughts({{"spread", 1e-6}, {"embedding_std", 3.0}})[0][0], mean[0][0], 1e-4, 1e-4));
  const Procedure procedure = colar(world);
  CHECK(world.tokenizer->decode(procedure.prompt_suffix) == "[T] [T]");
  CHECK(procedure.think.max_steps == 5);  // 9 words, two a latent
  Session session(world.model, {.rows = 1, .capacity = 40});
  session.prefill(with_suffix(procedure, {prompts[0]}));
  const at::NoGradGuard no_grad;
  CHECK(at::allclose(mean[0][0], 3 * gaussian_head(head_of(world), session.hidden_BD()).mean[0], 1e-4, 1e-4));
  CHECK_THROWS_WITH_AS(bind_method(method("colar"), world.settings, world.tokenizer.get()),
                       doctest::Contains("expected a checkpoint of method colar"), Error);
}

TEST_CASE("a reinforced batch: latents and answers are drawn by seed, replayed with the probabilities that drew them") {
  SmallWorld world;
  world.settings.options =
      method_options(method("colar"), {{"stage", "reinforced"}, {"group", 4}, {"spread", 0.5}}, "test");
  const MethodWeights fresh = head_of(world);
  MethodWeights head;
  for (const auto& [name, weight] : fresh) head[name] = weight.clone().set_requires_grad(true);
  const std::vector<Example> examples = {world.example("5 7 | 7 9", {"7"}, "9"), world.example("1 2", {"2"}, "2")};
  const Procedure format = colar_format({world.settings, world.tokenizer.get(), 0}, 2);
  TokenRows prompts;
  for (const Example& e : examples) prompts.push_back(world.tokenizer->encode(e.question + " [T] [T]"));
  const auto roll = [&](uint64_t seed) {
    return colar_rollouts(*world.model, head, format, prompts, answers_of(examples, *world.tokenizer),
                          {.group = 4, .seed = seed});
  };
  const auto once = roll(1), again = roll(1), other = roll(2);
  CHECK(at::equal(once[0].vectors[0], again[0].vectors[0]));
  CHECK_FALSE(at::equal(once[0].vectors[0], other[0].vectors[0]));
  CHECK_FALSE(at::equal(once[0].vectors[0], once[1].vectors[0]));
  for (const Rollout& rollout : once) {
    CHECK(rollout.thoughts >= 1);
    CHECK(rollout.tokens[rollout.thoughts] == world.id("[A]"));
    for (int64_t k = 0; k < rollout.thoughts; ++k) CHECK(rollout.tokens[k] == -1);
  }
  const auto model = trainable_copy(*world.model);
  std::vector<TrainingRow> rows;
  for (const Example& e : examples) rows.push_back(method("colar").row(e, {world.settings, *world.tokenizer, 0, 0}));
  const ObjectiveContext context{world.settings, *world.tokenizer, 0, 0, /*seed=*/1};
  const LatentLoss loss = method("colar").loss({*model, head, rows, examples, context, {}});
  CHECK(figures_of(loss).at("ratio_error") < 1e-3);
  loss.total.backward();
  for (const auto& [name, weight] : head) CHECK(weight.grad().defined());
}

TEST_CASE("colar's options are refused by name") {
  const SmallWorld world;
  CHECK_THROWS_WITH_AS(colar(world, {{"stage", "rl"}}), doctest::Contains("'stage' to be supervised or reinforced"),
                       Error);
  CHECK_THROWS_WITH_AS(colar(world, {{"compression", 0}}), doctest::Contains("'compression' to lie in 1..1024"), Error);
  CHECK_THROWS_WITH_AS(colar(world, {{"embedding_std", 0.0}}), doctest::Contains("'embedding_std' to be above 0"),
                       Error);
}
