#include "latent/methods/lotus.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "decoding/solve.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/plain_pass.h"

using namespace tacit;
using test::PlainPass;
using test::relative_error;
using test::TinyProblem;

namespace {

// The inputs of the last loop behind a prompt, said again [T + N, D].
at::Tensor plain_loops(const Transformer& model, const at::Tensor& latents_ND, const std::vector<int64_t>& prompt,
                       int64_t loops) {
  const at::Tensor prompt_TD = test::embedded(model, prompt);
  at::Tensor input_ND = latents_ND;
  for (int64_t r = 1; r < loops; ++r) {
    const PlainPass pass(model, at::cat({prompt_TD, input_ND}));
    input_ND = latents_ND + pass.normed_TD.narrow(0, prompt_TD.size(0), latents_ND.size(0));
  }
  return at::cat({prompt_TD, input_ND});
}

}  // namespace

TEST_CASE("LOTUS's loss is its definition: loops with the input injected, every latent naming its step's token") {
  for (const int64_t loops : {1, 3}) {
    CAPTURE(loops);
    const TinyProblem problem("lotus", {{"loops", loops}, {"step_weight", 0.5}});
    const auto model = trainable_copy(*test::tiny_model());
    const MethodWeights weights = problem.weights(*model);
    const at::Tensor latents_ND = weights.at("latents").flatten(0, 1);
    // Blocks of two latents: "7 [E]", "9 [E]"; "2 [E]", and no second step.
    const std::vector<std::vector<std::pair<int64_t, std::string>>> targets = {
        {{0, "7"}, {1, "[E]"}, {2, "9"}, {3, "[E]"}}, {{0, "2"}, {1, "[E]"}, {2, "[E]"}}};
    at::Tensor answers = at::zeros({}), steps = at::zeros({});
    int64_t answer_count = 0, step_count = 0;
    const auto rows = problem.rows();
    for (size_t b = 0; b < 2; ++b) {
      const at::Tensor x_TD = plain_loops(*model, latents_ND, rows[b].prompt, loops);
      const test::PlainTokens said(*model, x_TD, rows[b]);
      answers = answers + said.sum;
      answer_count += said.count;
      for (const auto& [latent, word] : targets[b]) {
        const at::Tensor h_D = said.pass.normed_TD[std::ssize(rows[b].prompt) + latent];
        steps = steps - at::log_softmax(model->logits(h_D), -1)[problem.tokenizer->require_id(word, "test")];
        ++step_count;
      }
    }
    const at::Tensor expected =
        answers / static_cast<double>(answer_count) + 0.5 * steps / static_cast<double>(step_count);
    expected.backward();
    const auto expected_gradients = test::all_gradients(*model, weights);
    CHECK(expected_gradients.contains("method/latents"));
    test::clear_gradients(*model, weights);
    const LatentLoss loss = problem.loss(*model, weights);
    CHECK(loss.total.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-5));
    loss.total.backward();
    std::string worst;
    CHECK_MESSAGE(test::same_gradients(test::all_gradients(*model, weights), expected_gradients, worst), worst);

    const Solution solution = solve(model, problem.procedure(weights), prompts_of(rows), {.keep_trace = true});
    for (size_t b = 0; b < 2; ++b) {
      const at::Tensor x_TD = plain_loops(*model, latents_ND, rows[b].prompt, loops);
      CHECK(relative_error(solution.thoughts.trace_BKD[b], x_TD.narrow(0, std::ssize(rows[b].prompt), 4)) < 5e-5);
    }
  }
}

TEST_CASE("one loop is one plain pass over the latents, whatever else is asked of them") {
  const TinyProblem problem("lotus", {{"loops", 1}});
  const auto model = test::tiny_model();
  const MethodWeights weights = problem.weights(*model);
  const at::NoGradGuard no_grad;
  // With layers kept the last block runs for all columns in both, so that the bits can be compared.
  const SessionOptions options{.rows = 1, .capacity = 64, .keep_layers = true};
  Session looped(model, options), plain(model, options);
  looped.prefill({{1, 2, 3}});
  plain.prefill({{1, 2, 3}});
  looped.think_in_parallel(*problem.procedure(weights).parallel);
  plain.feed_vectors(weights.at("latents").flatten(0, 1).unsqueeze(0));
  CHECK(at::equal(looped.hidden_BD(), plain.hidden_BD()));
}

TEST_CASE("block k holds step k, the last what is left, a block without a step the end; what has no room is cut") {
  const TinyProblem problem("lotus", Json::object());
  const auto& words = *problem.tokenizer;
  Example example = problem.examples[0];
  example.steps = {"7", "9 3", "4"};
  const auto texts = [&](int64_t blocks, int64_t width) {
    std::vector<std::string> out;
    for (const auto& block : block_targets(example, problem.context(), blocks, width))
      out.push_back(words.decode(block));
    return out;
  };
  CHECK(texts(4, 3) == std::vector<std::string>{"7 [E]", "9 3 [E]", "4 [E]", "[E]"});
  CHECK(texts(3, 2) == std::vector<std::string>{"7 [E]", "9 3", "4 [E]"});
  CHECK(texts(2, 4) == std::vector<std::string>{"7 [E]", "9 3 4 [E]"});
  CHECK(texts(2, 1) == std::vector<std::string>{"7", "9"});
}

TEST_CASE("more blocks or other widths than were trained are refused; fewer blocks are the first") {
  const TinyProblem problem("lotus", Json::object());
  const auto model = test::tiny_model();
  const MethodWeights weights = problem.weights(*model);
  const auto bound = [&](int64_t latents, const Json& options) {
    return bind_method(method("lotus"), problem.settings, problem.tokenizer.get(), latents, weights, options);
  };
  CHECK(bound(1, Json::object()).parallel->positions == 2);
  CHECK_THROWS_WITH_AS(bound(3, Json::object()), doctest::Contains("at most 2 blocks of 2 latents"), Error);
  CHECK_THROWS_WITH_AS(bound(2, {{"width", 3}}), doctest::Contains("but got 2 of 3"), Error);
  CHECK_THROWS_AS(bound(2, {{"loops", 0}}), Error);
}
