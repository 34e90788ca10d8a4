#include "decoding/sampling.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "decoding/decode.h"
#include "decoding/scheduler.h"
#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

std::vector<double> probabilities(const std::vector<float>& logits, const SamplingOptions& options) {
  std::vector<double> out = sampling_log_probs(logits, options);
  for (double& p : out) p = std::exp(p);
  return out;
}

std::vector<float> random_logits(uint64_t seed, int64_t count) {
  Rng rng(seed);
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<float>(2 * rng.normal()));
  return out;
}

std::vector<double> softmax_of(const std::vector<float>& logits, double temperature, const std::vector<char>& kept) {
  std::vector<double> out;
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    out.push_back(kept[i] ? std::exp(logits[i] / temperature) : 0);
    sum += out.back();
  }
  for (double& p : out) p /= sum;
  return out;
}

void check_equal(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK((got[i] == 0) == (expected[i] == 0));
    CHECK(std::abs(got[i] - expected[i]) <= tolerance);
  }
}

TEST_CASE("what is left to draw from is what transformers' warpers leave") {
  const Json cases = read_json(test::fixture("decoding.json"), "test").at("warpers");
  REQUIRE(cases.size() >= 10);
  for (const Json& one : cases) {
    SamplingOptions options;
    options.temperature = one.value("temperature", 1.0);
    options.top_k = one.value("top_k", int64_t{0});
    options.top_p = one.value("top_p", 1.0);
    options.min_p = one.value("min_p", 0.0);
    CAPTURE(options.temperature);
    CAPTURE(options.top_k);
    CAPTURE(options.top_p);
    CAPTURE(options.min_p);
    for (size_t row = 0; row < one.at("logits").size(); ++row) {
      const auto logits = one.at("logits")[row].get<std::vector<float>>();
      check_equal(probabilities(logits, options), one.at("probabilities")[row].get<std::vector<double>>(), 1e-6);
    }
  }
}

TEST_CASE("each cut is what its definition says") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const std::vector<float> logits = random_logits(seed, 17);
    const std::vector<char> all(17, 1);
    const std::vector<double> p = softmax_of(logits, 1, all);
    // Number of tokens that are more likely, and what they weigh together.
    std::vector<int64_t> above(17, 0);
    std::vector<double> weight_above(17, 0);
    for (size_t i = 0; i < 17; ++i) {
      for (size_t j = 0; j < 17; ++j) {
        if (p[j] > p[i]) ++above[i], weight_above[i] += p[j];
      }
    }
    const double largest = *std::ranges::max_element(p);
    const auto kept = [&](auto keep) {
      std::vector<char> out;
      for (size_t i = 0; i < 17; ++i) out.push_back(keep(i));
      return out;
    };
    check_equal(probabilities(logits, {.temperature = .4}), softmax_of(logits, .4, all), 1e-12);
    check_equal(probabilities(logits, {.top_k = 5}),
                softmax_of(logits, 1, kept([&](size_t i) { return above[i] < 5; })), 1e-12);
    check_equal(probabilities(logits, {.top_p = .75}),
                softmax_of(logits, 1, kept([&](size_t i) { return weight_above[i] < .75; })), 1e-12);
    check_equal(probabilities(logits, {.min_p = .1}),
                softmax_of(logits, 1, kept([&](size_t i) { return p[i] >= .1 * largest; })), 1e-12);
  }
  // Equals at the edge: top_k keeps both, top_p the lower id.
  check_equal(probabilities({1, 0, 1, 0}, {.top_k = 1}), {.5, 0, .5, 0}, 1e-12);
  check_equal(probabilities({1, 1, 1, 1}, {.top_p = .5}), {.5, .5, 0, 0}, 1e-12);
  check_equal(probabilities({3, 1, 0, 0}, {.top_p = 1e-6}), {1, 0, 0, 0}, 1e-12);
}

TEST_CASE("tokens are drawn as often as they are likely") {
  const std::vector<float> logits = random_logits(5, 12);
  const SamplingOptions options{.temperature = 1.3, .top_k = 6};
  const std::vector<double> p = probabilities(logits, options);
  constexpr int64_t kDraws = 20000;
  std::vector<Rng> rngs;
  for (int64_t n = 0; n < kDraws; ++n) rngs.push_back(answer_rng(/*seed=*/3, /*id=*/n, /*position=*/1));
  const at::Tensor logits_BV = at::tensor(logits).unsqueeze(0).expand({kDraws, 12});
  std::vector<double> counts(12, 0);
  for (const TokenChoice& choice : choose_tokens(logits_BV, options, rngs, "test")) ++counts[choice.token];
  double chi_squared = 0;
  for (size_t i = 0; i < 12; ++i) {
    if (p[i] == 0) {
      CHECK(counts[i] == 0);
    } else {
      chi_squared += std::pow(counts[i] - kDraws * p[i], 2) / (kDraws * p[i]);
    }
  }
  CHECK(chi_squared < 20.5);  // 5 degrees of freedom: one seed in a thousand exceeds it
}

TEST_CASE("temperature 0 is greedy decoding") {
  const auto model = test::tiny_model();
  Session session(model, {.rows = 3, .capacity = 64});
  session.prefill(random_prompts(3));
  Session stepwise = session.fork({0, 1, 2}), kept = session.fork({0, 1, 2});
  TokenRows expected(3);
  for (int64_t step = 0; step < 7; ++step) {
    TokenRows next;
    for (int64_t b = 0; b < 3; ++b) next.push_back({stepwise.logits_BV()[b].argmax().item<int64_t>()});
    for (int64_t b = 0; b < 3; ++b) expected[b].push_back(next[b][0]);
    stepwise.feed(next);
  }
  const auto greedy = decode(session, {.max_tokens = 7});
  const auto with_log_probs = decode(kept, {.max_tokens = 7, .keep_log_probs = true});
  for (int64_t b = 0; b < 3; ++b) {
    CHECK(greedy[b].tokens == expected[b]);
    CHECK(with_log_probs[b].tokens == expected[b]);
    CHECK(greedy[b].log_probs.empty());
  }
  CHECK(at::equal(session.hidden_BD(), stepwise.hidden_BD()));
}

TEST_CASE("log-probabilities are the model's own, of the tokens and of the stop token") {
  const auto model = test::tiny_model();
  const std::vector<int64_t> prompt = {1, 2, 3};
  bool stopped = false;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    Session session(model, {.rows = 1, .capacity = 40});
    session.prefill({prompt});
    const Decoded drawn = decode(session, {.max_tokens = 8,
                                           .stop_tokens = 4,
                                           .sampling = {.temperature = 1.5, .top_k = 15},
                                           .seed = seed,
                                           .keep_log_probs = true})[0];
    std::vector<int64_t> all = drawn.tokens;
    if (drawn.stopped) all.push_back(4);
    REQUIRE(drawn.log_probs.size() == all.size());
    Session whole(model, {.rows = 1, .capacity = 40});
    std::vector<int64_t> text = prompt;
    text.insert(text.end(), all.begin(), all.end());
    const at::Tensor log_p = at::log_softmax(whole.feed_for_logits({text})[0].to(at::kDouble), -1);
    for (size_t i = 0; i < all.size(); ++i)
      CHECK(drawn.log_probs[i] == doctest::Approx(log_p[2 + i][all[i]].item<double>()).epsilon(1e-4));
    stopped = stopped || drawn.stopped;
  }
  CHECK(stopped);
}

TEST_CASE("a drawn answer depends on seed and name, not on batch, order or scheduler") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(9);
  SolveOptions options{.max_answer_tokens = 6};
  options.strategy = {.kind = StrategyKind::sample, .sampling = {.temperature = 1.2, .top_p = .95}};
  options.seed = 5;
  for (const char* name : {"latent", "words", "parallel"}) {
    CAPTURE(name);
    Procedure procedure = procedures().at(name);
    procedure.in_words = std::string(name) == "words";
    const Solution together = solve(model, procedure, prompts, options);
    const Solution again = solve(model, procedure, prompts, options);
    SolveOptions other = options;
    other.seed = 6;
    const Solution reseeded = solve(model, procedure, prompts, other);
    bool differs = false;
    for (int64_t i = 0; i < 9; ++i) {
      SolveOptions alone = options;
      alone.ids = {i};
      const Solution one = solve(model, procedure, {prompts[i]}, alone);
      CHECK(one.answers[0].tokens == together.answers[i].tokens);
      CHECK(one.thoughts.tokens[0] == together.thoughts.tokens[i]);
      CHECK(again.answers[i].tokens == together.answers[i].tokens);
      differs = differs || reseeded.answers[i].tokens != together.answers[i].tokens;
    }
    CHECK(differs);
    for (const int64_t rows : {1, 4}) {
      CHECK(solve_all(model, procedure, prompts, {.rows = rows, .solve = options}, [&](int64_t i, Solution solution) {
        CHECK(solution.answers[0].tokens == together.answers[i].tokens);
        CHECK(solution.answers[0].stopped == together.answers[i].stopped);
        CHECK(solution.thoughts.tokens[0] == together.thoughts.tokens[i]);
        return true;
      }));
    }
  }
}

TEST_CASE("samples of one problem have names of their own, the first that of the problem") {
  CHECK(sample_id(7, 0) == 7);
  std::vector<int64_t> names;
  for (const int64_t id : {int64_t{0}, int64_t{1}, (int64_t{1} << 31) - 1}) {
    for (const int64_t sample : {0, 1, 255}) names.push_back(sample_id(id, sample));
  }
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
  CHECK(holds(error_of([] { sample_id(int64_t{1} << 31, 0); }), "[sample] expected a problem below"));
  CHECK(holds(error_of([] { sample_id(0, 256); }), "a sample below 256"));
}

TEST_CASE("sampling refuses what is no distribution") {
  const std::vector<float> logits = {1, 2};
  const auto error = [&](const SamplingOptions& options) {
    return error_of([&] { sampling_log_probs(logits, options); });
  };
  CHECK(holds(error({.temperature = -1}), "[sample] expected a temperature of 0 or at least 1e-6"));
  CHECK(holds(error({.temperature = 1e-320}), "[sample] expected a temperature of 0 or at least 1e-6"));
  CHECK(holds(error({.temperature = 0}), "a temperature above 0"));
  CHECK(holds(error({.top_k = -1}), "-1"));
  CHECK(holds(error({.top_p = 0}), "top_p in (0, 1]"));
  CHECK(holds(error({.min_p = 1.5}), "min_p in 0..1"));
  CHECK(holds(error_of([] { choose_tokens(at::full({1, 3}, NAN), {}, {Rng(1)}, "decode"); }), "finite logits"));
  CHECK(holds(error_of([] {
                choose_tokens(at::zeros({2, 3}), {}, {Rng(1)}, "decode");
              }),
              "random numbers for each of 2 rows but got 1"));
}

}  // namespace
}  // namespace tacit
