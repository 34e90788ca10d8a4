// Steps of one position on a model's packed form, held to the plain path.
#include <doctest/doctest.h>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <set>
#include <thread>

#include "decoding/decode.h"
#include "latent/session.h"
#include "lib/core/error.h"
#include "lib/kernels/int8_rows.h"
#include "lib/model/checkpoint.h"
#include "tests/support/depth_models.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

// Families whose structure the packed form knows; those that it must refuse.
const std::set<std::string> kFused = {"gpt2",  "llama",        "llama_scaled", "gpt_neox",  "gpt_neox_serial",
                                      "qwen2", "qwen2_window", "qwen3",        "universal", "ouro"};
const std::set<std::string> kPlain = {"mixtral", "mixtral_window", "deepseek_v3",      "deepseek_v3_plain",
                                      "rwkv7",   "tacit_rwkv7",    "tacit_log_linear", "huginn"};

std::vector<std::pair<std::string, WeightFormat>> each_family_and_format() {
  std::vector<std::pair<std::string, WeightFormat>> out;
  for (const std::string& name : kFused) {
    for (const WeightFormat weights : {WeightFormat::scalar, WeightFormat::int8}) out.emplace_back(name, weights);
  }
  return out;
}

std::vector<int64_t> prompt_of(const std::string& name) {
  return read_json(test::fixture(name) / "expected.json", "test")["prompt"].get<std::vector<int64_t>>();
}

struct Pair {
  Session fused, plain;
  Pair(const std::shared_ptr<const Transformer>& model, int64_t rows, int64_t capacity = 32, int64_t recurrences = 0)
      : fused(model, {.rows = rows, .capacity = capacity, .recurrences = recurrences}),
        plain(model, {.rows = rows, .capacity = capacity, .recurrences = recurrences, .fused = false}) {}
  template <class Call>
  void both(const Call& call) {
    call(fused), call(plain);
  }
  void check(double tolerance) const {
    CHECK(test::relative_error(fused.hidden_BD(), plain.hidden_BD()) < tolerance);
    CHECK(test::relative_error(fused.hidden_BD(HiddenAt::before_norm), plain.hidden_BD(HiddenAt::before_norm)) <
          tolerance);
    CHECK(test::relative_error(fused.logits_BV(), plain.logits_BV()) < tolerance);
    CHECK(fused.lengths() == plain.lengths());
  }
  void think(const ThinkOptions& options, double tolerance) {
    const Thoughts got = fused.think(options), want = plain.think(options);
    CHECK(got.steps == want.steps);
    CHECK(got.halted == want.halted);
    CHECK(got.tokens == want.tokens);
    REQUIRE(got.trace_BKD.sizes() == want.trace_BKD.sizes());
    if (want.trace_BKD.numel() > 0) CHECK(test::relative_error(got.trace_BKD, want.trace_BKD) < tolerance);
    check(tolerance);
  }
};

// Feeds each row's tokens one by one, so that no step is wider than one position.
void feed_singly(Session& session, const TokenRows& prompts) {
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  for (size_t t = 0; t < longest; ++t) {
    TokenRows column(prompts.size());
    for (size_t b = 0; b < prompts.size(); ++b) {
      if (t < prompts[b].size()) column[b] = {prompts[b][t]};
    }
    session.feed(column);
  }
}

}  // namespace

TEST_CASE("which families have a packed form, and why others have none") {
  for (const std::string& name : kFused) {
    INFO(name);
    CHECK(load_model(test::fixture(name))->fused() != nullptr);
    CHECK(load_model(test::fixture(name), {.dtype = at::kBFloat16})->fused() != nullptr);
  }
  for (const std::string& name : kPlain) {
    INFO(name);
    const auto model = load_model(test::fixture(name));
    CHECK(model->fused() == nullptr);
    CHECK(!why_not_fused(*model).empty());
    CHECK_THROWS_WITH_AS(
        load_model(test::fixture(name), {.weights = WeightFormat::int8}),
        doctest::Contains("[load_checkpoint] expected a model whose steps can read weights in int8 but "), Error);
    CHECK_THROWS_AS(FusedModel{*model}, Error);
  }
  CHECK(why_not_fused(*trainable_copy(*test::tiny_model())) == "its weights require gradients");
}

TEST_CASE("thoughts, hidden states, logits and greedy text are those of the plain path in every family") {
  for (const auto& [name, weights] : each_family_and_format()) {
    INFO(name);
    CAPTURE(static_cast<int>(weights));
    const auto model = load_model(test::fixture(name), {.weights = weights});
    CHECK((model->weight_format() == weights));
    const std::vector<int64_t> prompt = prompt_of(name);
    Pair pair(model, 3);
    pair.both([&](Session& s) { s.prefill({prompt, {prompt[1]}, {prompt.begin() + 2, prompt.end()}}); });
    pair.think({.max_steps = 4, .keep_trace = true}, 1e-4);
    pair.both([&](Session& s) { s.feed(TokenRows{{5}, {}, {2}}); });
    pair.check(1e-4);
    pair.both([&](Session& s) { s.feed(TokenRows{{}, {6, 2, 9}, {}}); });  // wide: the plain path in both
    pair.check(1e-4);
    pair.think({.max_steps = 3, .feedback = feedback::embed_argmax(), .keep_trace = true}, 1e-4);
    std::vector<Decoded> fused = decode(pair.fused, {.max_tokens = 5}), plain = decode(pair.plain, {.max_tokens = 5});
    for (size_t b = 0; b < fused.size(); ++b) CHECK(fused[b].tokens == plain[b].tokens);
  }
}

// Roundings differ, and weights this large amplify them from step to step: so one step, and beside fp32 no worse.
TEST_CASE("in bf16 a step is that of the plain path within its row of the tolerance table, and as near to fp32") {
  double fused_error = 0, plain_error = 0;  // over all families: in one of them either may be lucky
  for (const auto& [name, weights] : each_family_and_format()) {
    INFO(name);
    CAPTURE(static_cast<int>(weights));
    const std::vector<int64_t> prompt = prompt_of(name);
    Pair pair(load_model(test::fixture(name), {.dtype = at::kBFloat16, .weights = weights}), 2);
    Session exact(load_model(test::fixture(name), {.weights = weights}), {.rows = 2, .capacity = 32});
    for (Session* s : {&pair.fused, &pair.plain, &exact}) s->prefill({prompt, {prompt[1]}}), s->feed({prompt[2]});
    pair.check(0.06);
    fused_error += test::relative_error(pair.fused.hidden_BD(), exact.hidden_BD());
    plain_error += test::relative_error(pair.plain.hidden_BD(), exact.hidden_BD());
    pair.both([](Session& s) { s.think({.max_steps = 1}); });
    pair.check(0.12);
  }
  CHECK(fused_error < 1.25 * plain_error);
}

TEST_CASE("a row's bits do not depend on the rows beside it") {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const auto& [name, weights] : each_family_and_format()) {
      if (name == "qwen2_window") continue;  // its window is smaller than the capacity
      INFO(name);
      const auto model = load_model(test::fixture(name), {.dtype = type, .weights = weights});
      const std::vector<int64_t> prompt = prompt_of(name);
      const TokenRows prompts = {prompt, {prompt[1]}, {prompt.begin() + 2, prompt.end()}, {prompt[0], prompt[1]}};
      Session together(model, {.rows = std::ssize(prompts), .capacity = 32});
      feed_singly(together, prompts);
      const Thoughts thoughts = together.think({.max_steps = 3, .keep_trace = true});
      for (size_t b = 0; b < prompts.size(); ++b) {
        Session alone(model, {.rows = 1, .capacity = 20});
        feed_singly(alone, {prompts[b]});
        CHECK(at::equal(alone.think({.max_steps = 3, .keep_trace = true}).trace_BKD[0], thoughts.trace_BKD[b]));
        CHECK(at::equal(alone.logits_BV()[0], together.logits_BV()[b]));
      }
    }
  }
}

TEST_CASE("all steps in one call are one step a call, and one that asks the host each time") {
  const Feedback asking = {"asking", [](const StepState& state) { return NextInput{state.hidden_BD(), {}}; }};
  const Halt counting = {"counting", [](const StepState& state, const NextInput&) {
                           return std::vector<char>(state.rows(), state.step() >= 4);
                         }};
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const auto model = load_model(test::fixture("llama"), {.dtype = type});
    std::vector<Thoughts> got;
    std::vector<at::Tensor> logits;
    for (const bool asks : {false, true}) {
      Session session(model, {.rows = 2, .capacity = 32});
      session.prefill({{1, 2, 3}, {4, 5}});
      got.push_back(session.think({.max_steps = 6,
                                   .feedback = asks ? asking : feedback::hidden(),
                                   .halt = asks ? counting : halt::fixed(4),
                                   .keep_trace = true}));
      logits.push_back(session.logits_BV());
    }
    CHECK(got[0].steps == std::vector<int64_t>{4, 4});
    CHECK(got[0].steps == got[1].steps);
    CHECK(got[0].halted == got[1].halted);
    CHECK(got[0].halted == std::vector<char>{1, 1});
    CHECK(at::equal(got[0].trace_BKD, got[1].trace_BKD));
    CHECK(at::equal(logits[0], logits[1]));
  }
}

TEST_CASE("smeared keys, scaled embeddings and partial rotation, through forks and single steps") {
  const auto model = test::tiny_model();
  REQUIRE(model->fused() != nullptr);
  Pair pair(model, 3);
  pair.both([](Session& s) { s.prefill({{1, 2, 3, 4}, {5}, {6, 7}}); });
  pair.think({.max_steps = 3, .keep_trace = true}, 2e-5);
  const at::Tensor before = pair.fused.logits_BV();
  Session fork = pair.fused.fork({2, 0}), plain_fork = pair.plain.fork({2, 0});
  for (Session* s : {&fork, &plain_fork}) s->feed({9}), s->think({.max_steps = 2});
  CHECK(test::relative_error(fork.logits_BV(), plain_fork.logits_BV()) < 2e-5);
  CHECK(at::equal(pair.fused.logits_BV(), before));
  Session again = pair.fused.fork({0, 1, 2});
  again.feed({4}), pair.fused.feed({4});
  CHECK(at::equal(again.logits_BV(), pair.fused.logits_BV()));
}

TEST_CASE("a truncated row goes on as if it had never held the rest") {
  const auto model = test::tiny_model({.smeared_keys = false});
  Pair pair(model, 2);
  pair.both([](Session& s) { s.prefill({{1, 2, 3, 4}, {5, 6}}); });
  pair.both([](Session& s) { s.think({.max_steps = 3}); });
  const std::vector<int64_t> kept = {2, 5};
  pair.both([&](Session& s) { s.truncate(kept), s.feed(TokenRows{{7}, {}}); });
  pair.think({.max_steps = 2, .keep_trace = true}, 2e-5);
}

TEST_CASE("a window that the session never outgrows runs packed, a smaller one plain") {
  const auto model = load_model(test::fixture("tacit_window"));
  for (const int64_t capacity : {3, 32}) {
    Pair pair(model, 1, capacity);
    pair.both([](Session& s) { s.prefill({{1}}); });
    pair.think({.max_steps = 2, .keep_trace = true}, 1e-4);
  }
}

TEST_CASE("a session may ask for another number of recurrences") {
  for (const Json& json : {test::universal_json(), test::ouro_json()}) {
    const auto model = make_model(model_config_from_json(json, "test"), 1);
    REQUIRE(model->fused() != nullptr);
    for (const int64_t recurrences : {1, 2, 5}) {
      Pair pair(model, 2, 32, recurrences);
      pair.both([](Session& s) { s.prefill({{1, 2, 3}, {4}}); });
      pair.think({.max_steps = 3, .keep_trace = true}, 2e-5);
    }
  }
}

TEST_CASE("a session that fills up in the middle of its thoughts keeps those that fitted, as the plain path does") {
  const auto model = test::tiny_model();
  Pair pair(model, 2, 6);
  pair.both([](Session& s) { s.prefill({{1, 2}, {3, 4, 5}}); });
  pair.both([](Session& s) {
    CHECK_THROWS_WITH_AS(s.think({.max_steps = 5}),
                         "[think] expected at most 0 more tokens in row 1 but got 1 (capacity 6, stored 6)", Error);
  });
  CHECK(pair.fused.lengths() == std::vector<int64_t>{5, 6});
  pair.check(2e-5);
  CHECK_THROWS_WITH_AS(pair.fused.think({.max_steps = -1}), doctest::Contains("expected max_steps of at least 0"),
                       Error);
  pair.think({.max_steps = 0, .keep_trace = true}, 2e-5);
  pair.think({.max_steps = 3, .halt = halt::fixed(0), .keep_trace = true}, 2e-5);
}

TEST_CASE("what a session has handed out does not change when it goes on") {
  const auto model = test::tiny_model();
  Session session(model, {.rows = 2, .capacity = 16});
  session.prefill({{1, 2}, {3}});
  const at::Tensor before = session.hidden_BD(HiddenAt::before_norm), copy = before.clone();
  session.think({.max_steps = 2});
  session.feed(TokenRows{{1}, {}});
  CHECK(at::equal(before, copy));
}

TEST_CASE("weights that change are packed anew") {
  const auto model = test::tiny_model();
  const auto first = model->fused();
  CHECK(model->fused() == first);
  const auto logits = [&](bool fused) {
    Session session(model, {.rows = 1, .capacity = 8, .fused = fused});
    session.feed({1});
    session.feed({2});
    return session.logits_BV();
  };
  const at::Tensor before = logits(true);
  at::Tensor(model->weights().at("layers.1.down.weight")).mul_(-1);
  CHECK(model->fused() != first);
  CHECK(test::relative_error(logits(true), logits(false)) < 2e-5);
  CHECK(test::relative_error(logits(true), before) > 1e-3);
}

TEST_CASE("a model is packed anew where a weight's memory is another, and not at all while one requires gradients") {
  const auto model = test::tiny_model();
  at::Tensor weight = model->weights().at("layers.1.down.weight");
  const auto first = model->fused();
  weight.requires_grad_(true);
  CHECK(model->fused() == nullptr);
  weight.requires_grad_(false);
  CHECK(model->fused() == first);
  weight.set_data(weight.clone());
  const auto second = model->fused();
  CHECK(second != nullptr);
  CHECK(second != first);
  CHECK(model->fused() == second);
}

TEST_CASE("threads that share a model get one packed form") {
  const auto model = test::tiny_model();
  std::vector<std::shared_ptr<const FusedModel>> got(8);
  std::vector<at::Tensor> logits(got.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back([&, i] {
      got[i] = model->fused();
      Session session(model, {.rows = 1, .capacity = 8});
      session.feed({3});
      session.think({.max_steps = 4});
      logits[i] = session.logits_BV();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i] == got[0]);
    CHECK(at::equal(logits[i], logits[0]));
  }
}

TEST_CASE(
    "in int8 weights are the nearest that int8 holds, the rest of the model as it was; a changed one is refused") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto model = load_model(test::fixture("qwen3"), {.dtype = dtype});
    const auto rounded = load_model(test::fixture("qwen3"), {.dtype = dtype, .weights = WeightFormat::int8});
    int64_t matrices = 0;
    for (const auto& [name, weight] : model->weights()) {
      INFO(name);
      const at::Tensor& now = rounded->weights().at(name);
      const bool matrix = weight.dim() == 2 && name.starts_with("layers.");
      matrices += matrix;
      CHECK(at::equal(now, matrix ? from_int8(to_int8(weight), dtype) : weight));
      CHECK(at::equal(now, weight) == !matrix);
    }
    CHECK(matrices == 7 * model->config().layers);
    REQUIRE(rounded->fused() != nullptr);
    const at::NoGradGuard no_grad;
    if (dtype == at::kBFloat16) {  // it is the bytes that are read, not what they are in bf16
      const auto plain = std::make_shared<const Transformer>(rounded->config(), rounded->weights());
      at::Tensor hidden_BD[2];
      for (const bool int8 : {false, true}) {
        Session session(int8 ? rounded : plain, {.rows = 1, .capacity = 8});
        session.feed({3});
        hidden_BD[int8] = session.hidden_BD().to(at::kFloat);
      }
      CHECK(at::allclose(hidden_BD[0], hidden_BD[1], .05, .05));
      CHECK_FALSE(at::equal(hidden_BD[0], hidden_BD[1]));
    }
    std::map<std::string, at::Tensor> broken = rounded->weights();
    at::Tensor& weight_OI = broken.at("layers.0.down.weight");
    weight_OI = weight_OI.clone();
    weight_OI[1].fill_(NAN);
    const auto nan = std::make_shared<const Transformer>(*rounded, std::move(broken), WeightFormat::int8);
    Session session(nan, {.rows = 1, .capacity = 8});  // without a prompt, which would take the plain path
    session.feed({3});
    CHECK(session.hidden_BD().isnan().any().item<bool>());
    for (const auto& [name, weight] : rounded->weights()) {
      if (name.ends_with("down.weight")) weight.mul_(1.01);
    }
    CHECK_THROWS_WITH_AS(rounded->fused(),
                         doctest::Contains("in int8, as int8_model() left it, but it holds other numbers"), Error);
  }
}
