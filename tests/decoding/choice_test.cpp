#include "decoding/choice.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

const TokenRows kChoices = {{4}, {4, 9}, {7, 7, 7, 7, 7}, {0, 19}};

// log p of `choice` after what the session has consumed, as `tacit score` computes it: the tokens fed behind it at
// once.
double by_concatenation(const std::shared_ptr<const Transformer>& model, std::vector<int64_t> text,
                        const std::vector<int64_t>& choice) {
  const int64_t begin = std::ssize(text);
  text.insert(text.end(), choice.begin(), choice.end());
  Session session(model, {.rows = 1, .capacity = std::ssize(text)});
  const at::Tensor log_TV = session.feed_for_logits({text})[0].to(at::kDouble).log_softmax(-1);
  double sum = 0;
  for (int64_t i = 0; i < std::ssize(choice); ++i) sum += log_TV[begin + i - 1][choice[i]].item<double>();
  return sum;
}

}  // namespace

TEST_CASE("a choice gets what scoring the concatenated text gives it") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(5);
  Procedure direct = procedures().at("direct");
  const Solution solution = choose(model, direct, prompts, std::vector<TokenRows>(5, kChoices));
  REQUIRE(solution.choices.size() == 5);
  for (size_t b = 0; b < prompts.size(); ++b) {
    std::vector<int64_t> text = prompts[b];
    text.insert(text.end(), direct.prompt_suffix.begin(), direct.prompt_suffix.end());
    text.insert(text.end(), direct.answer_marker.begin(), direct.answer_marker.end());
    double best = -1e9;
    size_t likeliest = 0;
    for (size_t c = 0; c < kChoices.size(); ++c) {
      CAPTURE(b);
      CAPTURE(c);
      const double expected = by_concatenation(model, text, kChoices[c]);
      // fp32 sums in another order, up to five tokens
      CHECK(solution.choices[b][c].log_probability == doctest::Approx(expected).epsilon(1e-5));
      CHECK(solution.choices[b][c].tokens == std::ssize(kChoices[c]));
      if (expected > best) likeliest = c, best = expected;
    }
    CHECK(solution.answers[b].tokens == kChoices[likeliest]);
  }
}

TEST_CASE("choices follow the thoughts: they get what a session gives them that thought by hand") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(3);
  for (const auto& [name, procedure] : procedures()) {
    CAPTURE(name);
    const Solution solution =
        choose(model, procedure, prompts, std::vector<TokenRows>(3, kChoices), {.keep_trace = true});
    for (size_t b = 0; b < prompts.size(); ++b) {
      Session session(model, {.rows = 1, .capacity = 128, .keep_layers = name == "layer"});
      std::vector<int64_t> prompt = prompts[b];
      prompt.insert(prompt.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
      session.prefill({prompt});
      const Thoughts thoughts =
          procedure.parallel ? session.think_in_parallel(*procedure.parallel) : session.think(procedure.think);
      CHECK(solution.thoughts.steps[b] == thoughts.steps[0]);
      session.feed(procedure.answer_marker);
      for (size_t c = 0; c < kChoices.size(); ++c) {
        Session one = session.fork({0});
        double sum = 0;
        for (const int64_t token : kChoices[c]) {  // token by token
          sum += one.logits_BV()[0].to(at::kDouble).log_softmax(-1)[token].item<double>();
          one.feed({token});
        }
        CHECK(solution.choices[b][c].log_probability == doctest::Approx(sum).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("a problem's likelihoods do not depend on the problems beside it, nor on the batch; stopping stops") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(7);
  std::vector<TokenRows> choices(7, kChoices);
  choices[3] = {{5, 6}};
  const Procedure procedure = procedures().at("words");
  for (const int64_t rows : {1, 3, 64}) {
    CAPTURE(rows);
    int64_t seen = 0;
    const bool all =
        choose_all(model, procedure, prompts, choices, {.rows = rows}, [&](int64_t i, const Solution& one) {
          CHECK(i == seen++);
          const Solution alone = choose(model, procedure, {prompts[i]}, {choices[i]});
          REQUIRE(one.choices.size() == 1);
          REQUIRE(one.choices[0].size() == choices[i].size());
          for (size_t c = 0; c < choices[i].size(); ++c) {
            CHECK(one.choices[0][c].log_probability ==
                  doctest::Approx(alone.choices[0][c].log_probability).epsilon(1e-5));
          }
          CHECK(one.answers[0].tokens == alone.answers[0].tokens);
          CHECK(one.thoughts.tokens == alone.thoughts.tokens);
          CHECK(one.thoughts.steps == alone.thoughts.steps);
          return true;
        });
    CHECK(all);
    CHECK(seen == 7);
  }
  int64_t calls = 0;
  CHECK_FALSE(choose_all(model, procedure, prompts, choices, {.rows = 2},
                         [&](int64_t, const Solution&) { return ++calls < 3; }));
  CHECK(calls == 3);
}

TEST_CASE("choose: what cannot be is refused") {
  const auto model = test::tiny_model({.max_positions = 32});
  const Procedure direct = procedures().at("direct");
  const auto error = [&](const TokenRows& prompts, const std::vector<TokenRows>& choices) {
    return error_of([&] { choose(model, direct, prompts, choices); });
  };
  CHECK(holds(error({}, {}), "at least one prompt"));
  CHECK(holds(error({{1}}, {}), "choices of 1 prompts"));
  CHECK(holds(error({{1}}, {{}}), "at least one choice in row 0"));
  CHECK(holds(error({{1}, {2}}, {{{1}}, {{}}}), "at least one token in row 1"));
  CHECK(holds(error({{1}}, {{{20}}}), "0 to 19 but got 20"));
  CHECK(holds(error({{1}}, {{{-1}}}), "but got -1"));
  CHECK(holds(error({{1}}, {{std::vector<int64_t>(40, 1)}}), "at most 32 positions"));
  CHECK(likeliest_choice({{-2, 1}, {-1, 1}, {-1, 1}}) == 1);
}

}  // namespace tacit
