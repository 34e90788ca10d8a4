// Models whose layers keep states of fixed or logarithmic size: RWKV-7, log-linear attention, and hybrids.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>

#include "latent/objective.h"
#include "latent/session.h"
#include "latent/thought_tree.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/train/adamw.h"
#include "tests/latent/state_layers_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

Json rwkv7_config() {
  return {{"model_type", "rwkv7"},  {"vocab_size", kVocabulary}, {"hidden_size", kHidden},  {"head_dim", kHeadSize},
          {"num_hidden_layers", 2}, {"intermediate_size", 24},   {"decay_low_rank_dim", 4}, {"a_low_rank_dim", 3},
          {"v_low_rank_dim", 2},    {"gate_low_rank_dim", 5},    {"hidden_act", "sqrelu"},  {"norm_eps", 1e-5}};
}

struct Kind {
  std::string name;
  Json config;
};

std::vector<Kind> kinds() {
  return {{"rwkv7", rwkv7_config()},
          {"rwkv7 among attention", hybrid_config({"full_attention", "rwkv7", "rwkv7"})},
          {"log-linear", hybrid_config({"log_linear", "log_linear"})},
          {"all kinds", hybrid_config({"log_linear", "rwkv7", "sliding_attention", "rwkv7", "full_attention"})}};
}

std::vector<TrainingRow> ragged_rows(uint64_t seed, int64_t latents) {
  Rng rng(seed);
  std::vector<TrainingRow> rows;
  for (const auto& prompt : random_prompts(rng, 4, 9)) {
    TrainingRow row{.prompt = prompt, .latents = latents};
    for (int64_t n = rng.between(1, 5); n > 0; --n) row.rest.push_back(rng.below(kVocabulary));
    row.rest_trained.assign(row.rest.size(), 1);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

TEST_CASE("a row of a model with states does not depend on the rows beside it, nor on the pieces it is fed in") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const auto model = model_of(kind.config);
    for (uint64_t seed = 0; seed < 3; ++seed) {
      Rng rng(seed);
      const TokenRows prompts = random_prompts(rng, rng.between(2, 5), 20);
      Session together(model, {.rows = std::ssize(prompts), .capacity = 40}),
          pieces(model, {.rows = std::ssize(prompts), .capacity = 40});
      together.prefill(prompts);
      const Thoughts all = together.think({.max_steps = 4, .keep_trace = true});
      TokenRows left = prompts;
      while (std::ranges::any_of(left, [](const auto& row) { return !row.empty(); })) {
        TokenRows piece(prompts.size());
        for (size_t b = 0; b < left.size(); ++b) {
          const int64_t count = std::min<int64_t>(rng.below(4), std::ssize(left[b]));  // often none
          piece[b].assign(left[b].begin(), left[b].begin() + count);
          left[b].erase(left[b].begin(), left[b].begin() + count);
        }
        pieces.feed(piece);
      }
      CHECK(relative_error(pieces.think({.max_steps = 4, .keep_trace = true}).trace_BKD, all.trace_BKD) < kFp32Near);
      for (size_t b = 0; b < prompts.size(); ++b) {
        Session alone(model, {.rows = 1, .capacity = 30});
        for (const int64_t token : prompts[b]) alone.feed({token});
        const Thoughts one = alone.think({.max_steps = 4, .keep_trace = true});
        CHECK(relative_error(all.trace_BKD[b], one.trace_BKD[0]) < kFp32Near);
        CHECK(relative_error(together.logits_BV()[b], alone.logits_BV()[0]) < kFp32Near);
      }
    }
  }
}

TEST_CASE("what stands in columns that a row does not use never reaches its state") {
  for (const Json& config : {rwkv7_config(), hybrid_config({"log_linear", "rwkv7", "rwkv7"})}) {
    const auto model = model_of(config);
    at::manual_seed(3);
    const at::Tensor x_BTD = at::randn({2, 6, kHidden});
    at::Tensor dirty_BTD = x_BTD.clone();
    dirty_BTD[0].narrow(0, 2, 4).fill_(std::numeric_limits<float>::quiet_NaN());
    const std::vector<int64_t> counts = {2, 6};
    Session clean(model, {.rows = 2, .capacity = 16}), soiled(model, {.rows = 2, .capacity = 16});
    clean.feed_vectors(x_BTD, counts);
    soiled.feed_vectors(dirty_BTD, counts);
    clean.feed({4});
    soiled.feed({4});
    CHECK(at::equal(clean.logits_BV(), soiled.logits_BV()));
  }
}

TEST_CASE("with states, thinking step by step equals thinking all at once") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const auto model = model_of(kind.config);
    Session once(model, {.rows = 2, .capacity = 32}), stepwise(model, {.rows = 2, .capacity = 32});
    once.prefill({{1, 2, 3}, {4, 5}});
    stepwise.prefill({{1, 2, 3}, {4, 5}});
    const Thoughts all = once.think({.max_steps = 5, .keep_trace = true});
    std::vector<at::Tensor> trace;
    for (int step = 0; step < 5; ++step)
      trace.push_back(stepwise.think({.max_steps = 1, .keep_trace = true}).trace_BKD);
    CHECK(at::equal(all.trace_BKD, at::cat(trace, 1)));
    CHECK(at::equal(once.logits_BV(), stepwise.logits_BV()));
  }
}

TEST_CASE("with states, a forked session equals a fresh one that was fed the same, and leaves its parent alone") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const auto model = model_of(kind.config);
    const TokenRows prompts = {{1, 2, 3, 4}, {5}, {6, 7}};
    Session parent(model, {.rows = 3, .capacity = 32});
    parent.prefill(prompts);
    parent.think({.max_steps = 2});
    const at::Tensor before = parent.logits_BV();
    Session child = parent.fork({2, 0, 2});
    child.feed({9});
    child.think({.max_steps = 1});
    CHECK(at::equal(parent.logits_BV(), before));
    const std::vector<int64_t> rows = {2, 0, 2};
    for (size_t i = 0; i < rows.size(); ++i) {
      Session fresh(model, {.rows = 1, .capacity = 32});
      fresh.prefill({prompts[rows[i]]});
      fresh.think({.max_steps = 2});
      fresh.feed({9});
      fresh.think({.max_steps = 1});
      CHECK(relative_error(child.logits_BV()[static_cast<int64_t>(i)], fresh.logits_BV()[0]) < kFp32Near);
    }
    parent.feed({9});
    parent.think({.max_steps = 1});
    CHECK(relative_error(parent.logits_BV()[0], child.logits_BV()[1]) < kFp32Near);
  }
}

TEST_CASE("a state takes the same bytes whatever the capacity, or a level more where the positions double") {
  const auto bytes = [](const Json& config, int64_t capacity) {
    Session session(model_of(config), {.rows = 3, .capacity = capacity});
    CHECK(session.memory_bytes() == 3 * session.memory_bytes_per_row());
    return session.memory_bytes_per_row();
  };
  constexpr int64_t matrix = kHeads * kHeadSize * kHeadSize * 4, vector = kHidden * 4;
  CHECK(bytes(rwkv7_config(), 8) == 2 * (matrix + 2 * vector));
  CHECK(bytes(rwkv7_config(), 100'000) == 2 * (matrix + 2 * vector));
  for (const auto& [positions, levels] : {std::pair{33, 7}, {64, 7}, {65, 8}, {128, 8}, {1024, 11}}) {
    CHECK(bytes(hybrid_config({"log_linear", "rwkv7"}, positions), 8) == levels * matrix + matrix + vector);
    CHECK(bytes(hybrid_config({"log_linear", "rwkv7"}, positions), positions) == levels * matrix + matrix + vector);
  }
}

TEST_CASE("a model of RWKV-7 has no last position") {
  const auto model = model_of(rwkv7_config());
  CHECK_NOTHROW(Session(model, {.capacity = 10'000'000}));
}

TEST_CASE("what a state cannot do is refused with the reason") {
  for (const Json& config :
       {rwkv7_config(), hybrid_config({"log_linear"}), hybrid_config({"rwkv7", "full_attention"})}) {
    const auto model = model_of(config);
    Session session(model, {.rows = 1, .capacity = 8});
    session.prefill({{1, 2, 3}});
    const at::Tensor before = session.logits_BV();
    const std::vector<int64_t> shorter = {2}, same = {3};
    CHECK_THROWS_WITH_AS(session.truncate(shorter),
                         doctest::Contains("[truncate] expected layers that can forget their last tokens but layer 0 "
                                           "cannot: a state of fixed size cannot be taken back"),
                         Error);
    CHECK_NOTHROW(session.truncate(same));
    CHECK(at::equal(session.logits_BV(), before));
    CHECK_THROWS_WITH_AS(ThoughtTree(model, {.capacity = 8}), doctest::Contains("state of fixed size; fork a session"),
                         Error);
  }
}

TEST_CASE("with states, the gradient is the slope of the loss, thoughts included") {
  // In fp64; RMS norms and the readout's softmax are in fp32, which bounds what the difference can resolve.
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const auto start = model_of(kind.config, 5, at::kDouble);
    const auto rows = ragged_rows(3, 2);
    std::map<std::string, at::Tensor> leaves;
    for (const auto& [name, weight] : start->weights()) leaves[name] = weight.clone().requires_grad_(true);
    latent_loss(Transformer(start->config(), leaves), rows).total.backward();
    for (const auto& [name, leaf] : leaves) {
      const at::Tensor g = leaf.grad();
      const double norm = g.norm().item<double>();
      if (norm < 1e-3) continue;
      INFO(name);
      const double step = 2e-4 / norm;
      const auto shifted = [&](double by) {
        const at::NoGradGuard no_grad;
        std::map<std::string, at::Tensor> moved = start->weights();
        moved[name] = moved[name] + g * (by * step);
        return latent_loss(Transformer(start->config(), moved), rows).total.item<double>();
      };
      // Along the gradient the slope is its squared norm.
      CHECK((shifted(1) - shifted(-1)) / (2 * step) == doctest::Approx(norm * norm).epsilon(0.01));
    }
  }
}

TEST_CASE("with states, loss and gradient of ragged rows are the mean of the rows' alone, and what sessions assign") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const auto start = model_of(kind.config);
    for (const int64_t latents : {0, 2}) {
      const auto rows = ragged_rows(7 + latents, latents);
      const auto together = trainable_copy(*start), alone = trainable_copy(*start);
      const LatentLoss loss = latent_loss(*together, rows);
      loss.total.backward();
      double tokens = 0, sum = 0, assigned = 0;
      for (const TrainingRow& row : rows) tokens += static_cast<double>(row.rest.size());
      for (const TrainingRow& row : rows) {
        const at::Tensor share = latent_loss(*alone, {row}).total * (static_cast<double>(row.rest.size()) / tokens);
        share.backward();
        sum += share.item<double>();
        Session session(start, {.rows = 1, .capacity = 40});
        session.prefill({row.prompt});
        session.think({.max_steps = latents});
        for (const int64_t token : row.rest) {
          assigned -= at::log_softmax(session.logits_BV()[0], 0)[token].item<double>() / tokens;
          session.feed({token});
        }
      }
      CHECK(loss.tokens == doctest::Approx(sum).epsilon(1e-5));
      CHECK(loss.tokens == doctest::Approx(assigned).epsilon(1e-4));
      for (const auto& [name, weight] : together->weights()) {
        INFO(name);
        const at::Tensor expected = alone->weights().at(name).grad();
        CHECK((weight.grad() - expected).abs().max().item<double>() <
              1e-4 * expected.abs().max().item<double>() + 1e-6);
      }
    }
  }
}

TEST_CASE("fresh models with states start spread out, and learn") {
  for (const Kind& kind : kinds()) {
    INFO(kind.name);
    const ModelConfig config = read(kind.config);
    const auto model = trainable_copy(*make_model(config, 3));
    for (const auto& [name, weight] : model->weights()) {
      INFO(name);
      if (name.ends_with("shift")) CHECK(at::logical_and(weight >= 0, weight <= 1).all().item<bool>());
      if (name.ends_with("norm.weight")) CHECK((weight == 1).all().item<bool>());
      if (name.ends_with("decay_lora_b.bias") || name.ends_with("decay.bias")) CHECK(weight.std().item<double>() > 1);
    }
    // Four rows to learn by heart.
    std::vector<TrainingRow> rows = ragged_rows(2, 1);
    AdamW optimiser(model->weights(), {.weight_decay = 0});
    double first = 0, last = 0;
    for (int step = 0; step < 40; ++step) {
      optimiser.zero_grad();
      const LatentLoss loss = latent_loss(*model, rows);
      loss.total.backward();
      optimiser.step(0.01);
      last = loss.tokens;
      if (step == 0) first = last;
    }
    CHECK(first < 1.3 * std::log(kVocabulary));
    CHECK(last < 0.1 * first);
  }
}

TEST_CASE("configs of layers with states that this build cannot run are refused by field") {
  const auto error = [](Json config, const std::string& field, const Json& value) {
    config[field] = value;
    try {
      read(config);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const Json rwkv7 = rwkv7_config(), hybrid = hybrid_config({"rwkv7", "sliding_attention"});
  struct Case {
    Json config;
    std::string field;
    Json value;
    std::string expected;
  };
  for (const Case& c : std::vector<Case>{
           {rwkv7, "attn", {{"layers", {1}}}, "expected 'attn' to be null"},
           {rwkv7, "norm_first", false, "expected 'norm_first' to be true"},
           {rwkv7, "norm_bias", false, "expected 'norm_bias' to be true"},
           {rwkv7, "hidden_act", "relu", "expected 'hidden_act' to be sqrelu"},
           {rwkv7, "value_dim", {16, 32}, "expected 'value_dim' to be hidden_size in every layer"},
           {rwkv7, "value_dim", 32, "expected 'value_dim' to be hidden_size in every layer"},
           {rwkv7, "head_dim", 5, "expected 'head_dim' to divide hidden_size"},
           {rwkv7, "gate_low_rank_dim", 0, "'gate_low_rank_dim'"},
           {rwkv7, "a_low_rank_dim", nullptr, "'a_low_rank_dim'"},
           {rwkv7, "hidden_ratio", 4, ""},
           {rwkv7, "fuse_norm", true, ""},
           {rwkv7, "value_dim", {16, 16}, ""},
           {rwkv7, "value_dim", 16, ""},
           {hybrid, "layer_types", {"rwkv7"}, "expected 'layer_types' to name one type for each of num_hidden_layers"},
           {hybrid, "layer_types", {"rwkv7", "mamba"}, "expected 'layer_types' to hold full_attention"},
           {hybrid, "sliding_window", 0, "'sliding_window'"},
           {hybrid, "attention_bias", true, "'attention_bias' to be false"},
           {hybrid_config({"log_linear", "full_attention"}), "num_key_value_heads", 1,
            "'num_key_value_heads' to equal num_attention_heads beside log_linear"},
           {hybrid, "sliding_window", nullptr, "'sliding_window'"},
           {hybrid, "rwkv7_low_rank", nullptr, "'rwkv7_low_rank'"},
           {hybrid, "head_dim", 4, "expected 'head_dim' to be hidden_size / num_attention_heads"},
       }) {
    INFO(c.field);
    INFO(c.value.dump());
    const std::string got = error(c.config, c.field, c.value);
    if (c.expected.empty()) {
      CHECK(got == "");
    } else {
      CHECK(got.find(c.expected) != std::string::npos);
    }
  }
}

TEST_CASE("RWKV-7's sizes follow from its config as in flash-linear-attention") {
  Json config = rwkv7_config();
  config.erase("intermediate_size");
  CHECK(read(config).mlp_size == 64);
  config["hidden_ratio"] = 3.1;  // 49.6, as an integer, up to a multiple of 32
  CHECK(read(config).mlp_size == 64);
  config["hidden_ratio"] = 4.1;
  CHECK(read(config).mlp_size == 96);
  config["num_heads"] = 4;
  CHECK(read(config).heads == 2);  // head_dim is what counts
  config["head_dim"] = nullptr;
  CHECK(read(config).heads == 4);
  CHECK(read(config).head_size == 4);
  CHECK(read(config).rwkv7.head_norm_eps == 4e-5);
}
