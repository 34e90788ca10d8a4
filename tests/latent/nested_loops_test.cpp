// TRM, which reads a grid at once; the reference is tests/parity/references/trm.py.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include "latent/objective.h"
#include "latent/session.h"
#include "latent/thought_tree.h"
#include "lib/memory/training_memory.h"
#include "lib/model/checkpoint.h"
#include "lib/model/family.h"
#include "lib/model/memory_layout.h"
#include "tests/lib/core_support.h"
#include "tests/support/depth_models.h"
#include "tests/support/fixture.h"

using namespace tacit;
using namespace tacit::test;

namespace {

const std::vector<std::string> kFixtures = {"trm", "trm_puzzle"};

// Random weights, the gate's too, which training starts at zero.
std::shared_ptr<const Transformer> grid_model(const Json& json) {
  at::set_num_threads(1);
  const ModelConfig config = model_config_from_json(json, "test.json");
  auto weights = random_weights(config, 1, /*matched_attention=*/false);
  weights["exit_gate.weight"] = at::linspace(-1, 1, 2 * config.hidden_size).view({2, -1});
  return std::make_shared<const Transformer>(config, std::move(weights));
}

std::vector<std::shared_ptr<const Transformer>> grid_models() {
  return {grid_model(trm_json()), grid_model(trm_json({{"puzzle_emb_ndim", 20}, {"puzzle_emb_len", 3}})),
          grid_model(trm_json({{"pos_encodings", "learned"}, {"puzzle_emb_ndim", 16}, {"puzzle_emb_len", 0}}))};
}

// Rows aligned at their end, as training has them.
at::Tensor run(const Transformer& model, const at::Tensor& x_BTD, const std::vector<int64_t>& begins, int64_t steps,
               DepthTrace* trace = nullptr) {
  TrainingMemory memory(memory_layout(model.config()), begins, model.device());
  return model.forward(x_BTD, memory.open(x_BTD.size(1)), memory, {.recurrences = steps}, trace);
}

at::Tensor embed(const Transformer& model, const std::vector<int64_t>& tokens) {
  return model.embed(at::tensor(tokens, at::kLong).unsqueeze(0));
}

}  // namespace

TEST_CASE("TRM's logits, states by step and halting logits are the reference's") {
  for (const std::string& name : kFixtures) {
    INFO(name);
    const auto model = load_model(fixture(name));
    const Json expected = expected_of(name);
    const auto prompt = expected["prompt"].get<std::vector<int64_t>>();
    const int64_t steps = std::ssize(expected["thoughts"]);
    for (int64_t step = 1; step <= steps; ++step) {
      Session session(model, {.rows = 1, .capacity = 8, .recurrences = step});
      const at::Tensor logits_TV = session.feed_for_logits({prompt})[0];
      CHECK(relative_error(session.hidden_BD()[0], tensor_of(expected["thoughts"][step - 1])) < 1e-4);
      if (step == 1) CHECK(relative_error(logits_TV, tensor_of(expected["logits"])) < 1e-4);
      if (step == steps) CHECK(relative_error(logits_TV[-1], tensor_of(expected["logits_after"])) < 1e-4);
    }
    const at::NoGradGuard no_grad;
    DepthTrace trace;
    run(*model, embed(*model, prompt), {0}, 0, &trace);  // 0 = halt_max_steps
    REQUIRE(std::ssize(trace.gate) == steps);
    CHECK(relative_error(at::cat(trace.gate), tensor_of(expected["q_halt"])) < 1e-4);
    for (int64_t step = 0; step < steps; ++step) {
      CHECK(relative_error(trace.hidden_BTD[step][0][-1], tensor_of(expected["thoughts"][step])) < 1e-4);
    }
  }
}

TEST_CASE("TRM's loss of one step and every gradient are the reference's; constants have none") {
  for (const std::string& name : kFixtures) {
    INFO(name);
    const auto model = trainable_copy(*load_model(fixture(name)));
    const Json expected = expected_of(name);
    const at::Tensor zh_BTD = run(*model, embed(*model, expected["prompt"].get<std::vector<int64_t>>()), {0}, 1);
    const at::Tensor label_T = at::tensor(expected["labels"].get<std::vector<int64_t>>(), at::kLong);
    const at::Tensor loss = at::cross_entropy_loss(model->logits(model->final_norm(zh_BTD))[0], label_T);
    CHECK(loss.item<double>() == doctest::Approx(expected["loss"].get<double>()).epsilon(1e-5));
    loss.backward();
    size_t compared = 0;
    for (const FileTensor& entry : family("trm").files(model->config())) {
      INFO(entry.name);
      std::vector<at::Tensor> parts;
      for (const std::string& slot : entry.slots) parts.push_back(model->weights().at(slot).grad());
      if (!expected["gradients"].contains(entry.name)) {
        CHECK(std::ranges::find(expected["no_gradient"], Json(entry.name)) != expected["no_gradient"].end());
        for (const at::Tensor& part : parts) CHECK(!part.defined());
        continue;
      }
      ++compared;
      const at::Tensor gradient = at::cat(parts, 0);
      const double sum = expected["gradients"][entry.name][0], first = expected["gradients"][entry.name][1];
      CHECK(gradient.abs().sum().item<double>() == doctest::Approx(sum).epsilon(1e-4));
      CHECK(std::abs(gradient.view(-1)[0].item<double>() - first) <
            1e-4 * std::max(std::abs(first), sum / static_cast<double>(gradient.numel())));
    }
    CHECK(compared == expected["gradients"].size());
  }
}

TEST_CASE("every step of deep supervision carries the gradient of its own last cycle") {
  const auto model = trainable_copy(*grid_model(trm_json()));
  const at::Tensor x_BTD = embed(*model, {1, 2, 3, 4});
  const auto gradient = [&](int64_t steps, int64_t of) {
    DepthTrace trace;
    run(*model, x_BTD, {0}, steps, &trace);
    const at::Tensor weight = model->weights().at("layers.0.query.weight");
    return torch::autograd::grad({trace.hidden_BTD[of].square().sum() + trace.hidden_BTD[of].sum()}, {weight})[0];
  };
  // The steps before leave no path: what step 2 carries is the same whether or not step 3 follows, and not step 1's.
  CHECK(relative_error(gradient(3, 1), gradient(2, 1)) < 1e-5);
  CHECK(relative_error(gradient(2, 1), gradient(2, 0)) > 1e-2);
  DepthTrace trace;
  run(*model, x_BTD, {0}, 2, &trace);
  const at::Tensor loss = trace.gate[0].sum() + trace.gate[1].sum();
  loss.backward();
  CHECK(model->weights().at("exit_gate.weight").grad().defined());
  CHECK(!model->weights().at("high_start").grad().defined());
  CHECK(!model->weights().at("low_start").grad().defined());
}

TEST_CASE("bf16 stays near TRM's reference for one step") {
  for (const std::string& name : kFixtures) {
    INFO(name);
    const Json expected = expected_of(name);
    Session session(load_model(fixture(name), {.dtype = at::kBFloat16}), {.rows = 1, .capacity = 8, .recurrences = 1});
    const at::Tensor logits_TV = session.feed_for_logits({expected["prompt"].get<std::vector<int64_t>>()})[0];
    CHECK(relative_error(logits_TV, tensor_of(expected["logits"])) < 0.04);
  }
}

TEST_CASE("TRM's checkpoint written back holds the same bytes") {
  const ScratchFolder scratch;
  for (const std::string& name : kFixtures) {
    const auto model = load_model(fixture(name));
    save_model(scratch / name, *model, model->config().raw);
    const Safetensors before = read_safetensors(fixture(name) / "model.safetensors"),
                      after = read_safetensors(std::filesystem::path(scratch / name) / "model.safetensors");
    REQUIRE(before.tensors.size() == after.tensors.size());
    for (const auto& [tensor, view] : after.tensors) {
      CHECK(view.shape == before.tensors.at(tensor).shape);
      CHECK(std::ranges::equal(view.bytes, before.tensors.at(tensor).bytes));
    }
  }
}

TEST_CASE("a grid's result does not depend on the rows beside it, padded on either side") {
  const TokenRows rows = {{1, 2, 3, 4, 5, 6, 7}, {8, 9}, {10, 11, 12, 13}};
  for (const auto& model : grid_models()) {
    Session together(model, {.rows = 3, .capacity = 12});
    const at::Tensor logits_BTV = together.feed_for_logits(rows);
    std::vector<int64_t> padded(21, 0), begins;
    for (size_t b = 0; b < rows.size(); ++b) {
      begins.push_back(7 - std::ssize(rows[b]));
      std::ranges::copy(rows[b], padded.begin() + 7 * b + begins[b]);
    }
    const at::NoGradGuard no_grad;
    DepthTrace trace;
    const at::Tensor left_BTD =
        run(*model, model->embed(at::tensor(padded, at::kLong).view({3, 7})), begins, 0, &trace);
    for (size_t b = 0; b < rows.size(); ++b) {
      Session alone(model, {.rows = 1, .capacity = 12});
      const at::Tensor logits_TV = alone.feed_for_logits({rows[b]})[0];
      const int64_t count = std::ssize(rows[b]);
      CHECK(relative_error(logits_BTV[b].narrow(0, 0, count), logits_TV) < 1e-4);
      CHECK(relative_error(together.hidden_BD()[b], alone.hidden_BD()[0]) < 1e-4);
      CHECK(relative_error(model->logits(left_BTD[b].narrow(0, begins[b], count)), logits_TV) < 1e-4);
      DepthTrace own;
      run(*model, embed(*model, rows[b]), {0}, 0, &own);
      for (size_t step = 0; step < own.gate.size(); ++step) {
        CHECK(relative_error(trace.gate[step][static_cast<int64_t>(b)], own.gate[step][0]) < 1e-4);
      }
    }
  }
}

TEST_CASE("every position of a grid sees every other") {
  for (const auto& model : grid_models()) {
    const auto hidden = [&](const std::vector<int64_t>& tokens) {
      const at::NoGradGuard no_grad;
      return run(*model, embed(*model, tokens), {0}, 1)[0];
    };
    const at::Tensor one_TD = hidden({1, 2, 3, 4}), other_TD = hidden({1, 2, 3, 5});
    for (int64_t t = 0; t < 4; ++t) CHECK(relative_error(one_TD[t], other_TD[t]) > 1e-3);
    // Positions count: the same tokens in another order are not the same states in that order.
    CHECK(relative_error(hidden({2, 1, 3, 4})[1], one_TD[0]) > 1e-3);
  }
}

TEST_CASE("a model that reads a grid at once keeps nothing and refuses to go on") {
  const auto model = grid_model(trm_json());
  CHECK(memory_layout(model->config()).empty());
  Session session(model, {.rows = 1, .capacity = 12});
  CHECK(session.memory_bytes() == 0);
  session.prefill({{1, 2, 3}});
  const at::Tensor before = session.logits_BV();
  CHECK(holds(error_of([&] { session.feed({4}); }), "[feed] expected a session that has consumed nothing"));
  CHECK(holds(error_of([&] { session.think({.max_steps = 1}); }),
              "[think] expected a session that has consumed nothing"));
  CHECK(at::equal(session.logits_BV(), before));
  CHECK(at::equal(session.fork({0}).logits_BV(), before));
  CHECK(holds(error_of([&] { ThoughtTree(model, {.capacity = 8}); }), "reads from left to right"));
  const TrainingRow row{.prompt = {1}, .rest = {2}, .rest_trained = {1}};
  CHECK(holds(error_of([&] { latent_loss(*model, {row}); }), "[latent_loss] expected a model that reads from left"));
}

TEST_CASE("fresh weights of TRM start as published: a gate that says not yet, inputs and states of deviation 1") {
  const ModelConfig c = model_config_from_json(trm_json({{"hidden_size", 64}, {"vocab_size", 200}}), "test.json");
  const auto weights = random_weights(c, 1, false);
  CHECK(weights.at("exit_gate.weight").abs().max().item<double>() == 0);
  CHECK(at::equal(weights.at("exit_gate.bias"), at::full({2}, -5.0)));
  CHECK(weights.at("high_start").std().item<double>() == doctest::Approx(1).epsilon(0.3));
  CHECK((weights.at("embedding") * c.embedding_scale).std().item<double>() == doctest::Approx(1).epsilon(0.02));
  CHECK((weights.at("layers.1.down.weight") * 16).std().item<double>() == doctest::Approx(1).epsilon(0.02));  // 256 in
}

TEST_CASE("a TRM config that cannot be run is refused by field and reason") {
  struct Case {
    Json more;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{{"mlp_t", true}}, "'mlp_t' to be false"},
      {{{"pos_encodings", "none"}}, "'pos_encodings' to be rope or learned"},
      {{{"num_heads", 3}}, "'num_heads' to divide hidden_size"},
      {{{"num_heads", 16}}, "'num_heads' to give heads of even size"},
      {{{"H_cycles", 0}}, "'H_cycles'"},
      {{{"L_cycles", 0}}, "'L_cycles'"},
      {{{"halt_max_steps", 0}}, "'halt_max_steps'"},
      {{{"expansion", 0}}, "'expansion' to be positive"},
      {{{"puzzle_emb_len", 2}}, "'puzzle_emb_len' to be 0 without puzzle_emb_ndim"},
      {{{"puzzle_emb_ndim", 40}, {"puzzle_emb_len", 2}}, "'puzzle_emb_len' to be 0 or to hold puzzle_emb_ndim"},
      {{{"puzzle_emb_ndim", 16}, {"num_puzzle_identifiers", 7}}, "'num_puzzle_identifiers' to be 1"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.more.dump());
    const std::string error = error_of([&] { model_config_from_json(trm_json(c.more), "test.json"); });
    CAPTURE(error);
    CHECK(holds(error, c.message));
    CHECK(holds(error, "test.json"));
  }
  const ModelConfig published = model_config_from_json(
      trm_json({{"hidden_size", 512}, {"num_heads", 8}, {"puzzle_emb_ndim", 512}, {"puzzle_emb_len", nullptr}}), "x");
  CHECK(published.mlp_size == 1536);
  CHECK(published.nested.prefix == 16);
}
