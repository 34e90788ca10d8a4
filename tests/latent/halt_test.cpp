#include "latent/halt.h"

#include <doctest/doctest.h>

#include <cmath>

#include "decoding/scheduler.h"
#include "latent/halt_rule.h"
#include "lib/core/error.h"
#include "lib/model/accounting.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

const TokenRows kHaltPrompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}, {2, 2}};
constexpr int64_t kMost = 8;

// What a row's thoughts are when nothing stops them: states before each thought and after the last.
struct Free {
  std::vector<at::Tensor> hidden_D, logits_V;
};

Free free_run(const std::shared_ptr<const Transformer>& model, const std::vector<int64_t>& prompt) {
  Session session(model, {.rows = 1, .capacity = 64});
  session.prefill({prompt});
  Free out;
  for (int64_t k = 0; k < kMost; ++k) {
    out.hidden_D.push_back(session.hidden_BD()[0].clone());
    out.logits_V.push_back(session.logits_BV()[0].clone());
    session.think({.max_steps = 1});
  }
  return out;
}

double entropy_of(const at::Tensor& logits_V) {
  const at::Tensor p = at::softmax(logits_V.to(at::kDouble), 0);
  double sum = 0;
  for (int64_t i = 0; i < p.numel(); ++i) sum -= p[i].item<double>() * std::log(p[i].item<double>());
  return sum;
}

double change_of(const Free& run, int64_t k) {
  return ((run.hidden_D[k] - run.hidden_D[k - 1]).norm() / run.hidden_D[k - 1].norm()).item<double>();
}

// Halfway between the smallest and the largest of what decides, so that rows stop at different times.
template <class Figure>
double middle(const std::shared_ptr<const Transformer>& model, int64_t first, Figure figure) {
  double low = 1e30, high = -1e30;
  for (const auto& prompt : kHaltPrompts) {
    const Free run = free_run(model, prompt);
    for (int64_t k = first; k < kMost; ++k) low = std::min(low, figure(run, k)), high = std::max(high, figure(run, k));
  }
  return (low + high) / 2;
}

// First thought before which `stops` holds.
template <class Stops>
std::vector<int64_t> expected_steps(const std::shared_ptr<const Transformer>& model, Stops stops) {
  std::vector<int64_t> out;
  for (const auto& prompt : kHaltPrompts) {
    const Free run = free_run(model, prompt);
    int64_t k = 0;
    while (k < kMost && !stops(run, k, std::ssize(prompt))) ++k;
    out.push_back(k);
  }
  return out;
}

void check_rule(const std::shared_ptr<const Transformer>& model, const Halt& halt,
                const std::vector<int64_t>& expected) {
  CAPTURE(halt.name);
  const ThinkOptions options{.max_steps = kMost, .halt = halt};
  Session together(model, {.rows = std::ssize(kHaltPrompts), .capacity = 64});
  together.prefill(kHaltPrompts);
  const Thoughts all = together.think(options);
  CHECK(all.steps == expected);
  CHECK(expected != std::vector<int64_t>(expected.size(), expected[0]));
  for (size_t b = 0; b < kHaltPrompts.size(); ++b) {
    CHECK(static_cast<bool>(all.halted[b]) == (expected[b] < kMost));
    Session alone(model, {.rows = 1, .capacity = 64});
    alone.prefill({kHaltPrompts[b]});
    alone.name_rows(std::vector{static_cast<int64_t>(b)});
    int64_t taken = 0;
    while (taken < kMost && alone.think({.max_steps = 1, .halt = halt}).steps[0] == 1) ++taken;
    CHECK(taken == expected[b]);
  }
  const Procedure procedure{.think = options};
  for (const int64_t rows : {1, 3}) {
    solve_all(model, procedure, kHaltPrompts, {.rows = rows}, [&](int64_t problem, const Solution& got) {
      CHECK(got.thoughts.steps[0] == expected[problem]);
      return true;
    });
  }
}

}  // namespace

TEST_CASE("each rule stops where its definition says, in any batch and step by step as all at once") {
  const auto model = test::tiny_model();
  const double nats = middle(model, 0, [](const Free& run, int64_t k) { return entropy_of(run.logits_V[k]); });
  check_rule(model, halt::entropy(nats), expected_steps(model, [&](const Free& run, int64_t k, int64_t) {
               return entropy_of(run.logits_V[k]) <= nats;
             }));
  const double share = middle(model, 1, change_of);
  check_rule(model, halt::convergence(share), expected_steps(model, [&](const Free& run, int64_t k, int64_t) {
               return k > 0 && change_of(run, k) <= share;
             }));
  double flops = 0;  // what a prompt of 2 tokens needs for 5 thoughts: longer ones get fewer
  for (int64_t i = 1; i <= 5; ++i) flops += static_cast<double>(thought_cost(model->config(), 2 + i).flops);
  check_rule(model, halt::budget_flops(model->config(), flops),
             expected_steps(model, [&](const Free&, int64_t k, int64_t prompt) {
               double spent = 0;
               for (int64_t i = 1; i <= k + 1; ++i)
                 spent += static_cast<double>(thought_cost(model->config(), prompt + i).flops);
               return spent > flops;
             }));
  const at::Tensor weight_D = at::linspace(-1, 1, model->config().hidden_size);
  const auto score = [&](const Free& run, int64_t k) { return run.hidden_D[k].dot(weight_D).item<double>(); };
  const double bias = -middle(model, 0, score) + std::log(0.7 / 0.3);
  check_rule(model, halt::head(weight_D, at::full({1}, bias), 0.7),
             expected_steps(model, [&](const Free& run, int64_t k, int64_t) {
               return 1 / (1 + std::exp(-score(run, k) - bias)) >= 0.7;
             }));
  check_rule(model, halt::by_id({3, 0, 8, 5}), {3, 0, 8, 5});
}

TEST_CASE("extreme thresholds stop at once or never") {
  const auto model = test::tiny_model();
  const auto steps = [&](const Halt& halt) {
    Session session(model, {.rows = 1, .capacity = 64});
    session.prefill({kHaltPrompts[0]});
    return session.think({.max_steps = kMost, .halt = halt}).steps[0];
  };
  CHECK(steps(halt::entropy(1e9)) == 0);
  CHECK(steps(halt::entropy(0)) == kMost);
  CHECK(steps(halt::convergence(1e9)) == 1);  // never before the first thought
  CHECK(steps(halt::convergence(0)) == kMost);
  CHECK(steps(halt::budget_flops(model->config(), 0)) == 0);
  CHECK(steps(halt::budget_flops(model->config(), 1e30)) == kMost);
}

TEST_CASE("halting rules by name") {
  for (const char* text :
       {"fixed", "entropy:0.5", "convergence:0.01", "flops:1e+09", "learned", "learned:0.9", "oracle"})
    CHECK(to_text(parse_halt_rule(text)) == text);
  CHECK(parse_halt_rule("flops:1e9").value == 1e9);
  CHECK(parse_halt_rule("learned").value == 0.5);
  for (const char* text : {"", "entropy", "entropy:", "entropy:-1", "entropy:x", "convergence", "flops", "learned:2",
                           "fixed:3", "oracle:1", "entropie:1"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(parse_halt_rule(text), doctest::Contains("[halt] expected"), Error);
  }
  CHECK_THROWS_WITH_AS(parse_halt_rule("entropie:1"), doctest::Contains("did you mean 'entropy'?"), Error);

  const ModelConfig config = test::tiny_model()->config();
  Procedure words{.method = "cot", .in_words = true};
  CHECK_THROWS_WITH_AS(with_halt(words, {}, config, 0, {}), doctest::Contains("no words but got 'cot'"), Error);
  const Procedure latent{.method = "coconut", .think = {.max_steps = 4}};
  CHECK_THROWS_WITH_AS(with_halt(latent, parse_halt_rule("learned"), config, 0, {}),
                       doctest::Contains("expected a checkpoint with a head"), Error);
  CHECK_THROWS_WITH_AS(with_halt(latent, parse_halt_rule("oracle"), config, 0, {}),
                       doctest::Contains("expected an evaluation"), Error);
  CHECK(halt::ends_after(with_halt(latent, {}, config, 0, {}).think.halt) == 4);
}
