#include "latent/methods/sim_cot.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "decoding/thought_text.h"
#include "latent/thought_decoder.h"
#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/plain_pass.h"

using namespace tacit;
using test::PlainPass;
using test::TinyProblem;

namespace {

// Mean cross entropy of steps behind their thoughts, said again.
at::Tensor plain_reconstruction(const Transformer& decoder, const std::vector<at::Tensor>& thoughts_VD,
                                const std::vector<std::vector<int64_t>>& steps) {
  at::Tensor sum = at::zeros({});
  int64_t count = 0;
  for (size_t n = 0; n < steps.size(); ++n) {
    at::Tensor x_TD = thoughts_VD[n];
    for (const int64_t token : steps[n]) {
      sum = sum - at::log_softmax(decoder.logits(PlainPass(decoder, x_TD).last()), -1)[token];
      x_TD = at::cat({x_TD, test::embedded(decoder, {token})});
      ++count;
    }
  }
  return sum / static_cast<double>(count);
}

}  // namespace

TEST_CASE("SIM-CoT adds to its base's loss that of a decoder which rebuilds each step from its thought") {
  for (const Json& choice : std::vector<Json>{{{"base", "coconut"}, {"per_step", 2}},
                                              {{"base", "coconut"}, {"projector", "linear"}, {"vectors", 2}},
                                              {{"base", "codi"}, {"projector", "mlp"}}}) {
    CAPTURE(choice.dump());
    Json options = choice;
    options["decoder_weight"] = 0.5;
    TinyProblem problem("sim-cot", options);
    problem.stage = 2;
    const auto model = trainable_copy(*test::tiny_model());
    const MethodWeights weights = problem.weights(*model);
    Json base_options = choice;
    base_options.erase("base");
    TinyProblem base(choice.at("base").get<std::string>(), base_options);
    base.stage = 2;
    const ThoughtHead head = read_head(problem.settings.options);
    const int64_t vectors = head.vectors * problem.settings.options.at("per_step").get<int64_t>();
    std::vector<at::Tensor> thoughts;
    std::vector<std::vector<int64_t>> steps;
    for (size_t b = 0; b < 2; ++b) {
      at::Tensor x_TD = test::embedded(*model, problem.rows()[b].prompt);
      for (size_t k = 0; k < problem.examples[b].steps.size(); ++k) {
        for (int64_t c = 0; c < vectors / head.vectors; ++c) {
          const at::Tensor h_D = PlainPass(*model, x_TD).last();
          for (int64_t j = 0; j < head.vectors; ++j)
            x_TD = at::cat({x_TD, apply_head(head, weights, h_D, j).unsqueeze(0)});
        }
        thoughts.push_back(x_TD.narrow(0, x_TD.size(0) - vectors, vectors));
        steps.push_back(problem.tokenizer->encode(problem.examples[b].steps[k] + " [E]"));
      }
    }
    REQUIRE(steps.size() == 3);
    const at::Tensor rebuilt = plain_reconstruction(*thought_decoder(model->config(), weights), thoughts, steps);
    const at::Tensor expected = base.loss(*model, weights).total + 0.5 * rebuilt;
    expected.backward();
    const auto expected_gradients = test::all_gradients(*model, weights);
    test::clear_gradients(*model, weights);
    const LatentLoss loss = problem.loss(*model, weights);
    CHECK(loss.total.item<double>() == doctest::Approx(expected.item<double>()).epsilon(1e-5));
    CHECK(loss.figures.back().first == "decoder_loss");
    CHECK(loss.figures.back().second == doctest::Approx(rebuilt.item<double>()).epsilon(1e-5));
    loss.total.backward();
    std::string worst;
    CHECK_MESSAGE(test::same_gradients(test::all_gradients(*model, weights), expected_gradients, worst), worst);
  }
}

TEST_CASE("thoughts stand for steps in order, the finished method's last thought for all that are left") {
  const TinyProblem problem("sim-cot", Json::object());
  Example example = problem.examples[0];
  example.steps = {"7", "9", "3"};
  const auto texts = [&](int64_t thoughts) {
    std::vector<std::string> out;
    for (const auto& step : step_targets(example, problem.context(), thoughts))
      out.push_back(problem.tokenizer->decode(step));
    return out;
  };
  CHECK(texts(1) == std::vector<std::string>{"7 [E]"});
  CHECK(texts(2) == std::vector<std::string>{"7 [E]", "9 3 [E]"});
  example.steps = {"7"};
  CHECK(texts(2) == std::vector<std::string>{"7 [E]", ""});
}

TEST_CASE("a decoder starts as the model, and as one of its own where there is none") {
  const auto model = test::tiny_model();
  const auto copy = thought_decoder(model->config(), decoder_weights(model->config(), model.get(), 1));
  for (const auto& [name, weight] : model->weights()) CHECK(at::equal(copy->weights().at(name), weight));
  const auto fresh = thought_decoder(model->config(), decoder_weights(model->config(), nullptr, 2));
  CHECK_FALSE(at::equal(fresh->unembedding(), model->unembedding()));
  CHECK_THROWS_WITH_AS(thought_decoder(model->config(), {}), doctest::Contains("(method sim-cot)"), Error);
}

TEST_CASE("a trained decoder turns a thought into its step's words, an untrained one into what it finds likeliest") {
  const auto model = test::tiny_model();
  MethodWeights weights = decoder_weights(model->config(), model.get(), 1);
  for (auto& [name, weight] : weights) weight.set_requires_grad(true);
  const auto decoder = thought_decoder(model->config(), weights);
  Rng rng(9);
  at::Tensor thoughts_NVD = at::empty({3, 2, 32});
  for (int64_t i = 0; i < thoughts_NVD.numel(); ++i)
    thoughts_NVD.mutable_data_ptr<float>()[i] = static_cast<float>(rng.normal());
  const DecodeOptions options{.max_tokens = 5, .stop_tokens = 3};
  {
    const at::NoGradGuard no_grad;
    at::Tensor x_TD = thoughts_NVD[1];
    std::vector<int64_t> likeliest;
    for (int64_t t = 0; t < 5; ++t) {
      const int64_t token = decoder->logits(PlainPass(*decoder, x_TD).last()).argmax().item<int64_t>();
      if (token == 3) break;
      likeliest.push_back(token);
      x_TD = at::cat({x_TD, test::embedded(*decoder, {token})});
    }
    CHECK(decode_thought(decoder, thoughts_NVD[1], options).tokens == likeliest);
  }
  const std::vector<std::vector<int64_t>> steps = {{7, 9, 3}, {5, 3}, {7, 8, 8, 3}};
  for (int64_t step = 0; step < 60; ++step) {
    reconstruction_loss(*decoder, thoughts_NVD, steps).backward();
    const at::NoGradGuard no_grad;
    for (auto& [name, weight] : weights) {
      if (!weight.grad().defined()) continue;
      weight.sub_(0.01 * weight.grad().sign());
      weight.mutable_grad() = at::Tensor();
    }
  }
  for (size_t n = 0; n < steps.size(); ++n) {
    const Decoded said = decode_thought(decoder, thoughts_NVD[static_cast<int64_t>(n)], options);
    CHECK(said.tokens == std::vector<int64_t>(steps[n].begin(), steps[n].end() - 1));
    CHECK(said.stopped);
  }
  CHECK_THROWS_WITH_AS(decode_thought(decoder, thoughts_NVD), doctest::Contains("[V, D] but got [3, 2, 32]"), Error);
}
