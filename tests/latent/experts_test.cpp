// What sessions promise, of models whose tokens are routed: Mixtral with windows and DeepSeek-V3.
#include <doctest/doctest.h>

#include "latent/objective.h"
#include "latent/session.h"
#include "lib/model/checkpoint.h"
#include "tests/support/fixture.h"

using namespace tacit;

namespace {

std::vector<std::shared_ptr<const Transformer>> routed_models() {
  const auto fixtures = std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures";
  return {load_model(fixtures / "mixtral_window"), load_model(fixtures / "deepseek_v3")};
}

const TokenRows kPrompts = {{3, 17, 4, 4, 20, 11, 0, 7}, {5}, {9, 2, 22, 1, 13}};

}  // namespace

TEST_CASE("a routed row's thoughts and logits do not depend on the rows and the padding beside it") {
  for (const auto& model : routed_models()) {
    CAPTURE(model->config().family);
    Session together(model, {.rows = 3, .capacity = 32});
    together.prefill(kPrompts);
    const Thoughts all = together.think({.max_steps = 4, .keep_trace = true});
    Session fork = together.fork({2, 0});
    for (size_t b = 0; b < kPrompts.size(); ++b) {
      Session alone(model, {.rows = 1, .capacity = 16});
      alone.prefill({kPrompts[b]});
      const Thoughts one = alone.think({.max_steps = 4, .keep_trace = true});
      CHECK(test::relative_error(all.trace_BKD[b], one.trace_BKD[0]) < 2e-5);
      CHECK(test::relative_error(together.logits_BV()[b], alone.logits_BV()[0]) < 2e-5);
    }
    fork.feed({6, 8});
    Session fresh(model, {.rows = 1, .capacity = 32});
    fresh.prefill({kPrompts[0]});
    fresh.think({.max_steps = 4});
    fresh.feed({6, 8});
    CHECK(test::relative_error(fork.logits_BV()[1], fresh.logits_BV()[0]) < 2e-5);
  }
}

TEST_CASE("the training loss of routed rows of different length is the mean of each row's own") {
  for (const auto& model : routed_models()) {
    CAPTURE(model->config().family);
    std::vector<TrainingRow> rows;
    double sum = 0;
    for (const auto& prompt : kPrompts) {
      rows.push_back({.prompt = prompt, .latents = 2, .rest = {1, 2, 3}, .rest_trained = {1, 1, 1}});
      sum += latent_loss(*model, {rows.back()}).tokens;
    }
    CHECK(latent_loss(*model, rows).tokens == doctest::Approx(sum / 3).epsilon(1e-5));
  }
}
