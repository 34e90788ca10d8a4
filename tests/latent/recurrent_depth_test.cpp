// Models that run their blocks again at every position: universal, Ouro, Huginn.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "latent/objective.h"
#include "latent/session.h"
#include "latent/thought_tree.h"
#include "lib/core/rng.h"
#include "lib/memory/training_memory.h"
#include "lib/model/accounting.h"
#include "lib/model/checkpoint.h"
#include "lib/model/initial_state.h"
#include "lib/model/memory_layout.h"
#include "tests/latent/uneven_prompts.h"
#include "tests/lib/core_support.h"
#include "tests/support/depth_models.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using namespace tacit::test;

namespace {

ModelConfig depth_config(const Json& json) { return model_config_from_json(json, "test.json"); }

std::vector<DepthModel> depth_models() {
  Json smeared = tiny_config();
  smeared.update({{"model_type", "universal"}, {"base_model_type", "tacit"}, {"recurrences", 2}});
  return {{"universal", depth_model(universal_json())},
          {"universal of smeared keys", depth_model(smeared)},
          {"ouro", depth_model(ouro_json())},
          {"ouro that leaves early", depth_model(ouro_json({{"early_exit_threshold", 0.6}}))},
          {"ouro with a window", depth_model(ouro_json({{"use_sliding_window", true},
                                                        {"sliding_window", 3},
                                                        {"layer_types", {"sliding_attention", "full_attention"}}}))},
          {"huginn", depth_model(huginn_json())},
          {"huginn without prelude and coda",
           depth_model(huginn_json({{"n_layers_in_prelude", 0}, {"n_layers_in_coda", 0}, {"qk_bias", false}}))}};
}

// One row through a model without gradient, all positions in one segment.
struct Passed {
  at::Tensor hidden_BTD;
  DepthTrace trace;
};

Passed pass_through(const Transformer& model, const std::vector<int64_t>& tokens, int64_t recurrences) {
  const at::NoGradGuard no_grad;
  const std::vector<int64_t> no_padding = {0};
  TrainingMemory memory(memory_layout(model.config(), recurrences), no_padding, model.device());
  const at::Tensor x_BTD = model.embed(at::tensor(tokens, at::kLong).unsqueeze(0));
  Passed out;
  out.hidden_BTD = model.forward(x_BTD, memory.open(x_BTD.size(1)), memory, {.recurrences = recurrences}, &out.trace);
  return out;
}

}  // namespace

TEST_CASE("a universal model is its base's stack, run again on what it gave") {
  Json with_states = tiny_config();
  with_states.update({{"layer_types", {"rwkv7", "rwkv7"}}, {"rwkv7_low_rank", 4}});
  for (const Json& base_json : {llama_json(), tiny_config(), with_states}) {
    Json json = base_json;
    json.update({{"model_type", "universal"}, {"base_model_type", base_json["model_type"]}, {"recurrences", 4}});
    const auto model = depth_model(json);
    const Transformer base(depth_config(base_json), model->weights());
    const at::NoGradGuard no_grad;
    const std::vector<int64_t> no_padding = {0};
    at::Tensor x_BTD = base.embed(at::tensor(kDepthTokens, at::kLong).unsqueeze(0));
    for (int64_t r = 1; r <= 5; ++r) {
      TrainingMemory memory(memory_layout(base.config()), no_padding, base.device());
      x_BTD = base.forward(x_BTD, memory.open(x_BTD.size(1)), memory);
      CHECK(relative_error(pass_through(*model, kDepthTokens, r).hidden_BTD, x_BTD) < kDepthNear);
      if (r == 4) CHECK(relative_error(pass_through(*model, kDepthTokens, 0).hidden_BTD, x_BTD) < kDepthNear);
    }
  }
}

TEST_CASE("what a recurrence leaves does not depend on how many follow") {
  for (const auto& [name, model] : depth_models()) {
    INFO(name);
    const Passed most = pass_through(*model, kDepthTokens, 5);
    REQUIRE(most.trace.hidden_BTD.size() == 5);
    const bool whole = model->config().depth.coda == 0 && !model->config().depth.injected;
    for (int64_t r = 1; r <= 5; ++r) {
      const Passed fewer = pass_through(*model, kDepthTokens, r);
      for (int64_t i = 0; i < r; ++i) {
        CHECK(relative_error(fewer.trace.hidden_BTD[i], most.trace.hidden_BTD[i]) < kDepthNear);
      }
      if (!whole || model->config().depth.exit_threshold < 1) continue;
      CHECK(at::equal(fewer.hidden_BTD, fewer.trace.hidden_BTD.back()));
      Session session(model, {.rows = 1, .capacity = 16, .recurrences = r});
      session.prefill({kDepthTokens});
      CHECK(relative_error(session.hidden_BD(HiddenAt::before_norm)[0], most.trace.hidden_BTD[r - 1][0][-1]) <
            kDepthNear);
    }
  }
}

TEST_CASE("a row of a ragged batch is what it is alone, fed at once or token by token") {
  for (const auto& [name, model] : depth_models()) {
    INFO(name);
    for (const int64_t recurrences : {0, 1, 5}) {
      Rng rng(static_cast<uint64_t>(recurrences));
      const TokenRows prompts = uneven_prompts(rng, 4, model->config().vocab_size, 9);
      Session together(model, {.rows = 4, .capacity = 32, .recurrences = recurrences});
      together.prefill(prompts);
      const Thoughts all = together.think({.max_steps = 3, .keep_trace = true});
      for (size_t b = 0; b < prompts.size(); ++b) {
        Session alone(model, {.rows = 1, .capacity = 20, .recurrences = recurrences});
        for (const int64_t token : prompts[b]) alone.feed({token});
        const Thoughts one = alone.think({.max_steps = 3, .keep_trace = true});
        CHECK(relative_error(all.trace_BKD[b], one.trace_BKD[0]) < kDepthNear);
        CHECK(relative_error(together.logits_BV()[b], alone.logits_BV()[0]) < kDepthNear);
      }
    }
  }
}

TEST_CASE("a forked session keeps its recurrences and equals a fresh one that was fed the same") {
  for (const auto& [name, model] : depth_models()) {
    INFO(name);
    const SessionOptions options{.rows = 2, .capacity = 32, .recurrences = 2};
    Session parent(model, options);
    parent.prefill({{1, 2, 3}, {4, 5}});
    Session child = parent.fork({1, 0});
    child.feed({9, 8});
    child.think({.max_steps = 2});
    Session fresh(model, options);
    fresh.prefill({{4, 5, 9, 8}, {1, 2, 3, 9, 8}});
    fresh.think({.max_steps = 2});
    CHECK(relative_error(child.logits_BV(), fresh.logits_BV()) < kDepthNear);
  }
}

TEST_CASE("branches of a tree are what a session gives each alone") {
  const std::vector<int64_t> left = {5, 6}, right = {7};
  for (const auto& [name, model] : depth_models()) {
    INFO(name);
    ThoughtTree tree(model, {.capacity = 40, .recurrences = 4});
    const int64_t root = tree.feed_chain(kDepthTokens);
    const std::vector<int64_t> leaves = {tree.feed_chain(left, root), tree.feed_chain(right, root)};
    const auto branches = tree.think(leaves, {.max_steps = 3, .keep_trace = true});
    const at::Tensor logits_NV = tree.logits_NV(branches.leaves);
    for (size_t b = 0; b < leaves.size(); ++b) {
      Session alone(model, {.rows = 1, .capacity = 20, .recurrences = 4});
      alone.prefill({kDepthTokens});
      alone.feed(b == 0 ? left : right);
      const Thoughts one = alone.think({.max_steps = 3, .keep_trace = true});
      CHECK(relative_error(branches.thoughts.trace_BKD[b], one.trace_BKD[0]) < kDepthNear);
      CHECK(relative_error(logits_NV[b], alone.logits_BV()[0]) < kDepthNear);
    }
  }
}

TEST_CASE("the training loss is what a session assigns at inference") {
  const std::vector<TrainingRow> rows = {
      {.prompt = {1, 2, 3, 4}, .latents = 2, .rest = {5, 6, 7}, .rest_trained = {1, 1, 1}},
      {.prompt = {8}, .latents = 2, .rest = {9}, .rest_trained = {1}}};
  for (const auto& [name, model] : depth_models()) {
    INFO(name);
    double sum = 0, count = 0;
    for (const TrainingRow& row : rows) {
      Session session(model, {.rows = 1, .capacity = 32});
      session.prefill({row.prompt});
      session.think({.max_steps = row.latents});
      for (const int64_t token : row.rest) {
        sum -= at::log_softmax(session.logits_BV()[0], 0)[token].item<double>();
        ++count;
        session.feed({token});
      }
    }
    CHECK(latent_loss(*model, rows).tokens == doctest::Approx(sum / count).epsilon(1e-4));
  }
}

TEST_CASE("a row's bytes grow with the blocks that run again, and with those alone") {
  const auto bytes = [](const Json& json, int64_t recurrences) {
    return Session(depth_model(json), {.rows = 2, .capacity = 9, .recurrences = recurrences}).memory_bytes_per_row();
  };
  const int64_t stack = bytes(llama_json(), 0), block = bytes(huginn_json(), 1) / 4;
  for (const int64_t r : {1, 2, 7}) {
    CHECK(bytes(universal_json(), r) == r * stack);
    CHECK(bytes(ouro_json(), r) == r * stack);
    CHECK(bytes(huginn_json(), r) == (2 + 2 * r) * block);
  }
  CHECK(bytes(universal_json(), 0) == 3 * stack);
}

TEST_CASE("work and memory of a position count every recurrence") {
  const ModelConfig base = depth_config(llama_json()), thrice = depth_config(universal_json());
  CHECK(account(thrice).parameters == account(base).parameters);
  CHECK(account(thrice).memory_values_per_token == 3 * account(base).memory_values_per_token);
  CHECK(thought_cost(thrice, 10).flops == 3 * thought_cost(base, 10).flops);
  const auto huginn = [](int64_t r) {
    return thought_cost(depth_config(huginn_json({{"mean_recurrence", r}})), 10).flops;
  };
  CHECK(huginn(5) - huginn(2) == 3 * (huginn(2) - huginn(1)));
}

TEST_CASE("Ouro's exit probabilities are the reference's") {
  const auto model = load_model(fixture("ouro"));
  const Json expected = expected_of("ouro");
  const Passed passed = pass_through(*model, expected["prompt"].get<std::vector<int64_t>>(), 0);
  const at::Tensor probability_BTr = exit_probabilities(passed.trace);
  CHECK(relative_error(probability_BTr[0], tensor_of(expected["exit_probabilities"])) < 1e-4);
  CHECK(relative_error(probability_BTr.sum(-1), at::ones({1, 8})) < 1e-6);
  CHECK(
      holds(error_of([&] { exit_probabilities(pass_through(*depth_model(universal_json()), kDepthTokens, 0).trace); }),
            "[exit_probabilities] expected the trace of a model with an exit gate"));
}

TEST_CASE("below an exit threshold of 1 each position gives what it had when it had probably left") {
  const Json expected = expected_of("ouro");
  const auto prompt = expected["prompt"].get<std::vector<int64_t>>();
  const auto all_passes = load_model(fixture("ouro"));
  Json json = read_json(fixture("ouro") / "config.json", "test");
  for (const double threshold : {0.0, 0.5, 0.8, 1.0}) {
    json["early_exit_threshold"] = threshold;
    const auto early = std::make_shared<const Transformer>(depth_config(json), all_passes->weights());
    Session session(early, {.rows = 1, .capacity = 16});
    const at::Tensor logits_TV = session.feed_for_logits({prompt})[0];
    std::vector<int64_t> positions_leaving(3, 0);
    for (int64_t t = 0; t < std::ssize(prompt); ++t) {
      int64_t passes = 1;
      const Json& probability = expected["exit_probabilities"][t];
      for (double gone = probability[0]; gone < threshold && passes < 3; ++passes)
        gone += probability[passes].get<double>();
      ++positions_leaving[passes - 1];
      Session fewer(all_passes, {.rows = 1, .capacity = 16, .recurrences = passes});
      CHECK(relative_error(logits_TV[t], fewer.feed_for_logits({prompt})[0][t]) < kDepthNear);
    }
    if (threshold == 0) CHECK(positions_leaving == std::vector<int64_t>{8, 0, 0});
    if (threshold == 0.5) CHECK(positions_leaving == std::vector<int64_t>{2, 2, 4});
    if (threshold == 1) CHECK(positions_leaving == std::vector<int64_t>{0, 0, 8});
  }
}

TEST_CASE("Huginn's hidden state by number of recurrences is the reference's") {
  const auto model = load_model(fixture("huginn"));
  CHECK(model->config().family == "huginn_raven");
  const Json expected = expected_of("huginn");
  for (const auto& [recurrences, hidden] : expected["thoughts_depth"].items()) {
    Session session(model, {.rows = 1, .capacity = 16, .recurrences = std::stoll(recurrences)});
    session.prefill({expected["prompt"].get<std::vector<int64_t>>()});
    CHECK(relative_error(session.hidden_BD()[0], tensor_of(hidden)) < 1e-4);
  }
}

TEST_CASE("Huginn's state starts as published: a normal cut at three deviations, by position alone") {
  const ModelConfig c = depth_config(huginn_json());
  CHECK(c.depth.state_deviation == doctest::Approx(std::sqrt(0.4)));  // sqrt(2 / (5 D)) sqrt(D)
  CHECK(depth_config(huginn_json({{"init_values", {{"std", 0.5}}}})).depth.state_deviation == doctest::Approx(2));
  CHECK(depth_config(huginn_json({{"state_init", "zero"}})).depth.state_deviation == 0);
  CHECK(depth_config(huginn_json({{"init_values", {{"embed_scale", 1.0}}}})).embedding_scale == 1);
  CHECK(depth_config(huginn_json({{"model_type", "huginn"}})).family == "huginn_raven");
  const at::Tensor position_BT = at::tensor({5, 2, 5, 7, 0, 1}, at::kLong).view({2, 3});
  const at::Tensor start_BTD = initial_state(position_BT, 20000, 2.0, at::kFloat);
  CHECK(start_BTD.sizes() == at::IntArrayRef({2, 3, 20000}));
  CHECK(at::equal(start_BTD[0][0], start_BTD[0][2]));
  CHECK(at::equal(initial_state(position_BT.narrow(1, 1, 1), 20000, 2.0, at::kFloat), start_BTD.narrow(1, 1, 1)));
  CHECK(!at::equal(start_BTD[0][0], start_BTD[0][1]));
  CHECK(start_BTD.abs().max().item<double>() <= 6);
  CHECK(start_BTD.abs().max().item<double>() > 5.9);
  CHECK(start_BTD[0].std().item<double>() == doctest::Approx(2 * std::sqrt(0.97334)).epsilon(0.02));
  CHECK(std::abs(start_BTD[1].mean().item<double>()) < 0.03);
}

TEST_CASE("fresh weights: blocks that run again write less, Huginn's embeddings have the state's size") {
  const auto deviation = [](const Json& json, const std::string& slot) {
    return random_weights(depth_config(json), 1, false).at(slot).std().item<double>();
  };
  CHECK(deviation(universal_json({{"recurrences", 16}}), "layers.0.out.weight") * 4 ==
        doctest::Approx(deviation(llama_json(), "layers.0.out.weight")).epsilon(1e-5));
  CHECK(deviation(huginn_json(), "embedding") * 4 == doctest::Approx(1).epsilon(0.1));
}

TEST_CASE("more recurrences than a memory should hold are refused before it is made") {
  const auto model = depth_model(huginn_json());
  for (const int64_t recurrences : {int64_t{1025}, int64_t{1} << 40}) {
    const std::string error = error_of([&] { Session(model, {.rows = 1, .capacity = 8, .recurrences = recurrences}); });
    CHECK(holds(error, "expected at most 1024 recurrences but got " + std::to_string(recurrences)));
  }
  CHECK(Session(model, {.rows = 1, .capacity = 8, .recurrences = 1024}).rows() == 1);
}

TEST_CASE("a config of a model that thinks in depth is refused by field and reason") {
  struct Case {
    Json config;
    std::string message;
  };
  const std::vector<Case> cases = {
      {universal_json({{"base_model_type", "lama"}}), "'base_model_type' to be the model_type of a decoder"},
      {universal_json({{"base_model_type", "universal"}}), "'base_model_type' to be the model_type of a decoder"},
      {universal_json({{"base_model_type", "ouro"}}), "'base_model_type' to be the model_type of a decoder"},
      {huginn_json({{"model_type", "universal"}, {"base_model_type", "huginn_raven"}}), "without recurrent depth"},
      {trm_json({{"model_type", "universal"}, {"base_model_type", "trm"}}), "without recurrent depth"},
      {universal_json({{"base_model_type", "trm"}}), "'base_model_type' to be the model_type of a decoder"},
      {universal_json({{"base_model_type", nullptr}}), "'base_model_type'"},
      {universal_json({{"recurrences", 0}}), "'recurrences'"},
      {universal_json({{"recurrences", nullptr}}), "'recurrences'"},
      {universal_json({{"num_key_value_heads", 3}}), "'num_key_value_heads' to divide num_attention_heads"},
      {ouro_json({{"total_ut_steps", 0}}), "'total_ut_steps' to lie in 1..1024"},
      {ouro_json({{"early_exit_threshold", 1.5}}), "'early_exit_threshold' to lie in 0..1"},
      {ouro_json({{"layer_types", {"full_attention"}}}), "'layer_types' to name a type for each"},
      {ouro_json({{"layer_types", {"full_attention", "sliding_attention"}}}),
       "to hold full_attention only where use_sliding_window"},
      {ouro_json({{"layer_types", {"full_attention", "chunked_attention"}}}), "'layer_types' to hold full_attention"},
      {ouro_json({{"use_sliding_window", true}, {"sliding_window", 0}}), "'sliding_window' to be positive"},
      {huginn_json({{"state_init", "normal"}}), "'state_init' to be like-init or zero"},
      {huginn_json({{"injection_type", "add"}}), "'injection_type' to be linear"},
      {huginn_json({{"block_class_name", "PreNormBlock"}}), "'block_class_name' to be SandwichBlock"},
      {huginn_json({{"norm_class_name", "LayerNorm"}}), "'norm_class_name' to be RMSNorm_llama"},
      {huginn_json({{"mlp_class_name", "BaseMLP"}}), "'mlp_class_name' to be GatedMLP"},
      {huginn_json({{"nonlin_name", "GELU"}}), "'nonlin_name' to be SiLU"},
      {huginn_json({{"bias", true}}), "'bias' to be false"},
      {huginn_json({{"test_time_noise", 0.1}}), "'test_time_noise' to be 0"},
      {huginn_json({{"n_heads", 3}}), "'n_heads' to divide n_embd"},
      {huginn_json({{"n_heads", 16}}), "'n_heads' to give heads of even size"},
      {huginn_json({{"num_key_value_heads", 1}}), "'num_key_value_heads' to equal n_heads beside qk_bias"},
      {huginn_json({{"n_layers_in_recurrent_block", 0}}), "'n_layers_in_recurrent_block'"},
      {huginn_json({{"mean_recurrence", 0}}), "'mean_recurrence'"},
      {huginn_json({{"init_values", {{"std", -1}}}}), "'init_values' to hold a std of at least 0"},
      {huginn_json({{"init_values", {{"embed_scale", 0}}}}), "'init_values' to hold a positive embed_scale"},
      {huginn_json({{"rope_scaling", {{"rope_type", "linear"}, {"factor", 2}}}}), "'rope_scaling' to be absent"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.config.dump());
    const std::string error = error_of([&] { depth_config(c.config); });
    CAPTURE(error);
    CHECK(holds(error, c.message));
    CHECK(holds(error, "test.json"));
  }
  CHECK(holds(error_of([] { Session(depth_model(llama_json()), {.capacity = 8, .recurrences = 2}); }),
              "without recurrent depth but got 2"));
}
