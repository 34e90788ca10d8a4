#include "latent/unroll.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

std::vector<TrainingRow> rows_of(int64_t latents) {
  return {{.prompt = {1, 2, 3}, .latents = latents, .rest = {4, 5, 6}, .rest_trained = {0, 1, 1}},
          {.prompt = {7}, .latents = latents, .rest = {8}, .rest_trained = {1}},
          {.prompt = {9, 1}, .latents = latents, .rest = {2, 3}, .rest_trained = {1, 0}}};
}

std::map<std::string, at::Tensor> gradients(const Transformer& model) {
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, weight] : model.weights()) out[name] = weight.grad().defined() ? weight.grad() : at::Tensor();
  return out;
}

}  // namespace

TEST_CASE("Coconut's loss, written with an unroll, is latent_loss, gradient and all") {
  const auto rows = rows_of(3);
  const auto a = trainable_copy(*test::tiny_model()), b = trainable_copy(*test::tiny_model());
  Unroll unroll(*a, prompts_of(rows));
  for (int64_t k = 0; k < 3; ++k) unroll.feed(unroll.last_BD().unsqueeze(1));
  const TokenLoss tokens = token_loss(*a, unroll.feed_rest(rows), rows);
  const LatentLoss mine = latent_loss_of(tokens, rows), theirs = latent_loss(*b, rows);
  CHECK(tokens.tokens == 4);
  CHECK(mine.tokens == doctest::Approx(theirs.tokens).epsilon(1e-5));
  CHECK(mine.accuracy == doctest::Approx(theirs.accuracy));
  CHECK(mine.positions == theirs.positions);
  mine.total.backward();
  theirs.total.backward();
  for (const auto& [name, gradient] : gradients(*b)) {
    CAPTURE(name);
    if (gradient.defined() && gradient.abs().max().item<double>() > 1e-7)
      CHECK(test::relative_error(gradients(*a).at(name), gradient) < 1e-4);
  }
}

TEST_CASE("text_loss is the loss of rows without thoughts") {
  const auto rows = rows_of(0);
  const auto model = test::tiny_model();
  CHECK(text_loss(*model, rows).loss.item<double>() == doctest::Approx(latent_loss(*model, rows).tokens).epsilon(1e-5));
}

TEST_CASE("a copy is a branch: what one is fed the other does not see") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_model();
  Unroll trunk(*model, {{1, 2, 3}, {4}});
  Unroll branch = trunk;
  branch.feed(at::ones({2, 2, 32}));
  const at::Tensor x_B1D = trunk.last_BD().unsqueeze(1);
  Unroll fresh(*model, {{1, 2, 3}, {4}});
  CHECK(at::equal(trunk.feed(x_B1D), fresh.feed(x_B1D)));
}

TEST_CASE("layers of an unroll end in its hidden state") {
  const at::NoGradGuard no_grad;
  const auto model = test::tiny_model();
  Unroll unroll(*model, {{1, 2, 3}, {4}}, /*keep_layers=*/true);
  REQUIRE(unroll.layers().size() == 2);
  CHECK(unroll.layers()[0].sizes() == at::IntArrayRef({2, 1, 32}));
  CHECK(at::equal(model->final_norm(unroll.layers()[1]).squeeze(1), unroll.last_BD()));
  const at::Tensor hidden_BTD = unroll.feed(at::ones({2, 3, 32}));
  CHECK(at::equal(model->final_norm(unroll.layers()[1]), hidden_BTD));
}

TEST_CASE("an unroll refuses empty prompts, a loss labels without flags") {
  const auto model = test::tiny_model();
  CHECK_THROWS_WITH_AS(Unroll(*model, {{1}, {}}), doctest::Contains("a prompt of at least one token"), Error);
  auto rows = rows_of(0);
  rows[1].rest_trained.clear();
  CHECK_THROWS_WITH_AS(text_loss(*model, rows), doctest::Contains("rest_trained for each of 1 tokens"), Error);
}
