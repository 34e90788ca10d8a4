// Thoughts on CUDA by latent_loop, held to the plain path there and to the CPU.
#include <doctest/doctest.h>

#include <iostream>

#include "latent/session.h"
#include "lib/kernels/cuda_backend.h"
#include "lib/model/checkpoint.h"
#include "lib/model/int8_model.h"

using namespace tacit;

namespace {

std::shared_ptr<const Transformer> model_on(at::Device device, const Json& config, at::ScalarType dtype = at::kFloat) {
  std::map<std::string, at::Tensor> weights =
      random_weights(model_config_from_json(config, "test"), 3, /*matched_attention=*/false);
  for (auto& [name, weight] : weights) weight = weight.to(device, dtype);
  return std::make_shared<const Transformer>(model_config_from_json(config, "test"), std::move(weights));
}

TEST_CASE("a session on CUDA thinks by latent_loop what it thinks on the plain path and on the CPU") {
  if (!enable_cuda()) {
    std::cout << "TACIT-SKIP: no CUDA device\n";
    return;
  }
  const Json llama = {{"model_type", "llama"},        {"vocab_size", 40},       {"hidden_size", 64},
                      {"intermediate_size", 96},      {"num_hidden_layers", 3}, {"num_attention_heads", 4},
                      {"num_key_value_heads", 2},     {"rms_norm_eps", 1e-5},   {"max_position_embeddings", 64},
                      {"tie_word_embeddings", false}, {"rope_theta", 10000.0}};
  const auto on_cuda = model_on(at::kCUDA, llama), on_host = model_on(at::kCPU, llama);
  REQUIRE(on_cuda->fused() != nullptr);
  const TokenRows prompts = {{1, 2, 3}, {4, 5, 6, 7, 8}, {9}};
  const auto thought = [&](const std::shared_ptr<const Transformer>& model, bool fused) {
    Session session(model, {.rows = 3, .capacity = 40, .fused = fused});
    session.prefill(prompts);
    session.think({.max_steps = 5, .keep_trace = true});
    session.feed({7});
    session.think({.max_steps = 2});
    return at::cat({session.hidden_BD(), session.logits_BV()}, 1).to(at::kCPU, at::kDouble);
  };
  const at::Tensor want = thought(on_host, false);
  const auto error = [&](const at::Tensor& got) {
    return ((got - want).abs().max() / want.abs().max()).item<double>();
  };
  CHECK(error(thought(on_cuda, true)) < 1e-4);
  CHECK(error(thought(on_cuda, false)) < 1e-4);

  // In int8 beside bf16 the packed forms of both devices read the same numbers; one step, as roundings grow.
  const auto stepped = [&](const std::shared_ptr<const Transformer>& model) {
    const auto int8 = int8_model(*model);
    Session session(int8, {.rows = 3, .capacity = 40});
    session.prefill(prompts);
    session.think({.max_steps = 1});
    return session.hidden_BD().to(at::kCPU, at::kDouble);
  };
  const at::Tensor host = stepped(model_on(at::kCPU, llama, at::kBFloat16));
  const at::Tensor cuda = stepped(model_on(at::kCUDA, llama, at::kBFloat16));
  CHECK(((cuda - host).abs().max() / host.abs().max()).item<double>() < 0.06);

  Session once(on_cuda, {.rows = 3, .capacity = 40}), stepwise(on_cuda, {.rows = 3, .capacity = 40});
  once.prefill(prompts);
  stepwise.prefill(prompts);
  once.think({.max_steps = 6});
  for (int step = 0; step < 6; ++step) stepwise.think({.max_steps = 1});
  CHECK(at::equal(once.hidden_BD(HiddenAt::before_norm), stepwise.hidden_BD(HiddenAt::before_norm)));
}

}  // namespace
