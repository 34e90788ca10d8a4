#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "latent/objective.h"
#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "lib/memory/training_memory.h"
#include "lib/model/memory_layout.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

std::vector<TrainingRow> ragged_rows(uint64_t seed, int64_t latents, int64_t vocab) {
  Rng rng(seed);
  std::vector<TrainingRow> rows(4);
  for (TrainingRow& row : rows) {
    row.latents = latents;
    for (int64_t n = rng.between(1, 9); n > 0; --n) row.prompt.push_back(rng.below(vocab));
    for (int64_t n = rng.between(1, 5); n > 0; --n) {
      row.rest.push_back(rng.below(vocab));
      row.rest_trained.push_back(rng.below(3) > 0 || row.rest.size() == 1);
    }
    row.thought_targets.resize(latents);
    for (auto& target : row.thought_targets) {
      for (int64_t n = rng.below(4); n > 0; --n) target.push_back((n * 5 + rng.below(5)) % vocab);
    }
  }
  return rows;
}

// The definition, restated over sessions: what a model that thinks at inference assigns to the trained tokens.
struct Restated {
  double token_sum = 0, thought_sum = 0;
  int64_t tokens = 0, thoughts = 0;
};

void restate(const std::shared_ptr<const Transformer>& model, const TrainingRow& row, Restated& out) {
  Session session(model, {.rows = 1, .capacity = 64});
  session.prefill({row.prompt});
  auto log_p = [&] { return at::log_softmax(session.logits_BV()[0], 0); };
  for (int64_t k = 0; k < row.latents; ++k) {
    const at::Tensor readout = log_p();
    const auto& target = row.thought_targets[k];
    if (!target.empty()) {
      const double share = 1.0 / static_cast<double>(target.size());
      for (int64_t token : target) out.thought_sum += share * (std::log(share) - readout[token].item<double>());
      ++out.thoughts;
    }
    session.think({.max_steps = 1});
  }
  for (size_t t = 0; t < row.rest.size(); ++t) {
    if (row.rest_trained[t]) {
      out.token_sum -= log_p()[row.rest[t]].item<double>();
      ++out.tokens;
    }
    session.feed({row.rest[t]});
  }
}

}  // namespace

TEST_CASE("the training loss is what the session assigns at inference, for ragged rows and any number of thoughts") {
  const auto model = test::tiny_model();
  for (int64_t latents : {0, 1, 3}) {
    for (uint64_t seed = 0; seed < 4; ++seed) {
      const auto rows = ragged_rows(seed, latents, model->config().vocab_size);
      Restated expected;
      for (const TrainingRow& row : rows) restate(model, row, expected);
      const LatentLoss loss = latent_loss(*model, rows, {.thought_weight = 0.5});
      CHECK(loss.tokens == doctest::Approx(expected.token_sum / static_cast<double>(expected.tokens)).epsilon(1e-4));
      const double thoughts =
          expected.thoughts == 0 ? 0 : expected.thought_sum / static_cast<double>(expected.thoughts);
      CHECK(loss.thoughts == doctest::Approx(thoughts).epsilon(1e-4));
      CHECK(loss.total.item<double>() == doctest::Approx(loss.tokens + 0.5 * loss.thoughts).epsilon(1e-5));
    }
  }
}

TEST_CASE("the gradient is the slope of the loss, thoughts included") {
  // In fp64; the readout's softmax is in fp32, which bounds what the difference can resolve.
  const auto start = test::tiny_model({.vocab_size = 11, .hidden_size = 8, .layers = 2, .heads = 2});
  const auto rows = ragged_rows(3, 2, 11);
  const auto gradient_of = [&](const LatentLossOptions& options) {
    std::map<std::string, at::Tensor> leaves, gradient;
    for (const auto& [name, weight] : start->weights())
      leaves[name] = weight.to(at::kDouble).clone().requires_grad_(true);
    latent_loss(Transformer(start->config(), leaves), rows, options).total.backward();
    for (const auto& [name, leaf] : leaves) gradient[name] = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
    return gradient;
  };
  const auto gradient = gradient_of({}), cut = gradient_of({.through_thoughts = false});
  double through_difference = 0, size = 0;
  for (const auto& [name, g] : gradient) {
    through_difference += (g - cut.at(name)).square().sum().item<double>();
    size += g.square().sum().item<double>();
  }
  CHECK(through_difference > 1e-4 * size);  // the path through the thoughts counts
  for (const auto& [name, g] : gradient) {
    const double norm = g.norm().item<double>();
    if (norm < 1e-3) continue;
    INFO(name);
    const double step = 1e-3 / norm;
    const auto shifted = [&](double by) {
      const at::NoGradGuard no_grad;
      std::map<std::string, at::Tensor> moved;
      for (const auto& [other, weight] : start->weights()) moved[other] = weight.to(at::kDouble);
      moved[name] = moved[name] + g * (by * step);
      return latent_loss(Transformer(start->config(), moved), rows).total.item<double>();
    };
    // Along the gradient the slope is its squared norm.
    CHECK((shifted(1) - shifted(-1)) / (2 * step) == doctest::Approx(norm * norm).epsilon(0.01));
  }
}

namespace {

// Constant thoughts, restated: a row's prompt, the thoughts that a session had (as numbers) and the rest as one
// sequence.
at::Tensor loss_with_constant_thoughts(const Transformer& model, const std::vector<TrainingRow>& rows,
                                       const at::Tensor& thoughts_BKD) {
  at::Tensor tokens = at::zeros({}), divergence = at::zeros({});
  int64_t trained_tokens = 0, trained_thoughts = 0;
  for (size_t b = 0; b < rows.size(); ++b) {
    const TrainingRow& row = rows[b];
    const int64_t prompt = std::ssize(row.prompt);
    const at::Tensor x_1TD = at::cat({model.embed(at::tensor(row.prompt)), thoughts_BKD[static_cast<int64_t>(b)],
                                      model.embed(at::tensor(row.rest))})
                                 .unsqueeze(0);
    const std::vector<int64_t> no_padding = {0};
    TrainingMemory memory(memory_layout(model.config()), no_padding, model.device());
    const at::Tensor hidden = model.final_norm(model.forward(x_1TD, memory.open(x_1TD.size(1)), memory));
    const at::Tensor log_p = at::log_softmax(model.logits(hidden)[0], -1);
    for (int64_t k = 0; k < row.latents; ++k) {
      const auto& target = row.thought_targets[k];
      if (target.empty()) continue;
      const double share = 1.0 / static_cast<double>(target.size());
      for (int64_t token : target) divergence = divergence + share * (std::log(share) - log_p[prompt - 1 + k][token]);
      ++trained_thoughts;
    }
    for (size_t t = 0; t < row.rest.size(); ++t) {
      if (!row.rest_trained[t]) continue;
      tokens = tokens - log_p[prompt - 1 + row.latents + static_cast<int64_t>(t)][row.rest[t]];
      ++trained_tokens;
    }
  }
  return tokens / trained_tokens + divergence / trained_thoughts;
}

}  // namespace

TEST_CASE(
    "with the gradient cut at the thoughts the loss is the same, and its gradient that of thoughts given as numbers") {
  const int64_t latents = 3;
  const auto start = test::tiny_model();
  const auto rows = ragged_rows(5, latents, start->config().vocab_size);
  const auto cut = trainable_copy(*start), restated = trainable_copy(*start);
  std::vector<at::Tensor> thoughts;
  for (const TrainingRow& row : rows) {
    Session session(start, {.rows = 1, .capacity = 64});
    session.prefill({row.prompt});
    thoughts.push_back(session.think({.max_steps = latents, .keep_trace = true}).trace_BKD[0]);
  }
  const LatentLoss loss = latent_loss(*cut, rows, {.through_thoughts = false});
  CHECK(loss.total.item<double>() == doctest::Approx(latent_loss(*start, rows).total.item<double>()).epsilon(1e-5));
  loss.total.backward();
  loss_with_constant_thoughts(*restated, rows, at::stack(thoughts)).backward();
  for (const auto& [name, weight] : cut->weights()) {
    INFO(name);
    const at::Tensor expected = restated->weights().at(name).grad();
    CHECK(at::allclose(weight.grad(), expected, 1e-4, 1e-6));
  }
}

TEST_CASE("ideal thoughts are fed to the share of rows that is asked for, and only where thoughts are constants") {
  const auto model = test::tiny_model();
  auto rows = ragged_rows(6, 2, model->config().vocab_size);
  for (TrainingRow& row : rows) row.thought_targets = {{1, 2}, {1, 2, 3}};
  const auto total = [&](const LatentLossOptions& options) {
    return latent_loss(*model, rows, options).total.item<double>();
  };
  const double own = total({.through_thoughts = false}),
               forced = total({.through_thoughts = false, .teacher_forcing = 1});
  CHECK(std::abs(own - forced) > 1e-4);
  CHECK(total({.through_thoughts = false, .teacher_forcing = 1}) == forced);
  CHECK(total({.through_thoughts = false, .teacher_forcing = 1, .noise_seed = 1}) != forced);
  CHECK_THROWS_WITH_AS(total({.teacher_forcing = 1}), doctest::Contains("no gradient through thoughts"), Error);
  // Half of many rows: the loss lies between, nearer the middle than either end.
  const std::vector<TrainingRow> many(400, rows[0]);
  const auto of_many = [&](double share) {
    return latent_loss(*model, many, {.through_thoughts = false, .teacher_forcing = share, .unevenness = 0, .noise = 0})
        .thoughts;
  };
  const double none = of_many(0), half = of_many(0.5), whole = of_many(1);
  REQUIRE(std::abs(whole - none) > 1e-3);
  CHECK((half - none) / (whole - none) == doctest::Approx(0.5).epsilon(0.2));
  rows[2].thought_targets[1].clear();
  CHECK_THROWS_WITH_AS(total({.through_thoughts = false, .teacher_forcing = 1}),
                       doctest::Contains("thought 2 of row 2 has none"), Error);
}

TEST_CASE("an ideal thought without noise is the normalised sum of its targets' rows") {
  const auto model = test::tiny_model();
  TrainingRow row{.prompt = {3, 1}, .latents = 1, .rest = {5, 2}, .rest_trained = {1, 1}, .thought_targets = {{1, 4}}};
  const LatentLoss loss =
      latent_loss(*model, {row}, {.through_thoughts = false, .teacher_forcing = 1, .unevenness = 0, .noise = 0});
  const at::Tensor& rows_VD = model->unembedding();
  const at::Tensor ideal_D = model->final_norm(rows_VD[1] + rows_VD[4]);
  CHECK(loss.total.item<double>() ==
        doctest::Approx(loss_with_constant_thoughts(*model, {row}, ideal_D.view({1, 1, -1})).item<double>())
            .epsilon(1e-5));
}

TEST_CASE("rows that cannot be trained on are refused") {
  const auto model = test::tiny_model();
  CHECK_THROWS_WITH_AS(latent_loss(*model, {}), doctest::Contains("[latent_loss] expected at least one row"), Error);
  CHECK_THROWS_WITH_AS(latent_loss(*model, {TrainingRow{}}),
                       doctest::Contains("expected a prompt of at least one token"), Error);
  TrainingRow silent{.prompt = {1}, .rest = {2}, .rest_trained = {0}};
  CHECK_THROWS_WITH_AS(latent_loss(*model, {silent}),
                       doctest::Contains("expected at least one trained token or thought"), Error);
  TrainingRow short_mask{.prompt = {1}, .rest = {2, 3}, .rest_trained = {1}};
  CHECK_THROWS_WITH_AS(latent_loss(*model, {short_mask}), doctest::Contains("rest_trained for each of 2 tokens"),
                       Error);
  TrainingRow excess{.prompt = {1}, .latents = 1, .rest = {2}, .rest_trained = {1}, .thought_targets = {{1}, {2}}};
  CHECK_THROWS_WITH_AS(latent_loss(*model, {excess}), doctest::Contains("targets for at most 1 thoughts but got 2"),
                       Error);
  TrainingRow outside{.prompt = {1}, .latents = 1, .rest = {2}, .rest_trained = {1}, .thought_targets = {{9999}}};
  CHECK_THROWS_WITH_AS(latent_loss(*model, {outside}), doctest::Contains("target tokens below"), Error);
  TrainingRow one{.prompt = {1}, .latents = 1, .rest = {2}, .rest_trained = {1}}, two = one;
  two.latents = 2;
  CHECK_THROWS_WITH_AS(latent_loss(*model, {one, two}), doctest::Contains("expected 1 thoughts in every row but got 2"),
                       Error);
}
