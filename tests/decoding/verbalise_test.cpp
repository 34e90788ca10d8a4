#include "decoding/verbalise.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>

#include "decoding/faithfulness.h"
#include "decoding/readout.h"
#include "decoding/thought_text.h"
#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

std::shared_ptr<const Tokenizer> words() {
  std::vector<std::string> names;
  for (int64_t i = 0; i < 20; ++i) names.push_back("w" + std::to_string(i));
  return make_word_tokenizer(names);
}

TEST_CASE("the lens says the likeliest tokens, as text and as the mean of their embeddings") {
  const auto model = test::tiny_model();
  const at::Tensor thoughts_KD = at::randn({3, 32});
  for (const int64_t count : {1, 4}) {
    const auto said = verbaliser::lens(model, words(), count).say(thoughts_KD);
    REQUIRE(said.size() == 3);
    for (int64_t k = 0; k < 3; ++k) {
      const auto shares = readout(*model, thoughts_KD[k], count);
      at::Tensor mean_D = at::zeros({32});
      double all = 0;
      std::string text;
      for (int64_t i = 0; i < count; ++i) {
        CHECK(said[k].tokens[i] == shares[i].token);
        mean_D += shares[i].probability * model->embed(at::tensor({shares[i].token}))[0];
        all += shares[i].probability;
        text += (i == 0 ? "w" : " w") + std::to_string(shares[i].token);
      }
      CHECK(said[k].text == text);
      CHECK(said[k].score == doctest::Approx(all));
      CHECK(at::allclose(said[k].vector_D, mean_D / all, 1e-5, 1e-6));
    }
  }
}

TEST_CASE("the nearest step is that of the largest cosine, of a bank that sessions fill step by step") {
  const auto model = test::tiny_model();
  const std::vector<WrittenSteps> problems = {{{1, 2}, {{3, 4}, {}, {5}}}, {{6, 7, 8}, {{9, 10, 11}}}};
  const StepBank bank = step_bank(model, problems);
  CHECK(bank.steps == TokenRows{{3, 4}, {5}, {9, 10, 11}});
  const TokenRows fed = {{1, 2, 3, 4}, {1, 2, 3, 4, 5}, {6, 7, 8, 9, 10, 11}};
  for (int64_t n = 0; n < 3; ++n) {
    Session session(model, {.rows = 1, .capacity = 16});
    session.prefill({fed[n]});
    CHECK(at::allclose(bank.hidden_ND[n], session.hidden_BD()[0], 0, 1e-4));
  }
  const at::Tensor thoughts_KD = at::cat({at::randn({6, 32}), 3 * bank.hidden_ND.narrow(0, 2, 1)});
  const auto said = verbaliser::nearest(words(), bank).say(thoughts_KD);
  for (int64_t k = 0; k < 7; ++k) {
    double best = -2;
    int64_t at = -1;
    for (int64_t n = 0; n < 3; ++n) {
      const at::Tensor a = thoughts_KD[k], b = bank.hidden_ND[n];
      const double cosine = (a.dot(b) / (a.norm() * b.norm())).item<double>();
      if (cosine > best) best = cosine, at = n;
    }
    CHECK(said[k].tokens == bank.steps[at]);
    CHECK(said[k].score == doctest::Approx(best).epsilon(1e-4));
    CHECK(at::equal(said[k].vector_D, bank.hidden_ND[at]));
  }
  CHECK(said[6].text == "w9 w10 w11");
  CHECK(said[6].score == doctest::Approx(1).epsilon(1e-5));
  CHECK(holds(error_of([&] { step_bank(model, {{{1}, {}}}); }), "[step_bank] expected problems with written steps"));
  CHECK(holds(error_of([&] {
                verbaliser::nearest(words(), bank).say(at::zeros({2, 31}));
              }),
              "[K, 32] but got [2, 31]"));
}

TEST_CASE("the decoder says what decode_thought says of each thought") {
  const auto decoder = test::tiny_model({.seed = 4});
  const at::Tensor thoughts_KD = at::randn({3, 32});
  const auto said = verbaliser::decoder(decoder, words(), 5, 3).say(thoughts_KD);
  for (int64_t k = 0; k < 3; ++k) {
    const Decoded expected = decode_thought(decoder, thoughts_KD.narrow(0, k, 1), {.max_tokens = 5, .stop_tokens = 3});
    CHECK(said[k].tokens == expected.tokens);
    CHECK(said[k].text == words()->decode(expected.tokens));
    CHECK(said[k].score < 0);
    CHECK_FALSE(said[k].vector_D.defined());
  }
}

// A text of no content whose vector is made of the thought's.
Verbaliser saying(std::function<at::Tensor(const at::Tensor& thought_D)> vector) {
  return {"test", [vector](const at::Tensor& thoughts_KD) {
            std::vector<Verbalised> out;
            for (int64_t k = 0; k < thoughts_KD.size(0); ++k) out.push_back({"x", {7}, vector(thoughts_KD[k]), 0});
            return out;
          }};
}

TEST_CASE(
    "faithfulness: what repeats the thoughts keeps every answer, what says nothing tells no problem from another") {
  const auto model = test::tiny_model();
  const Procedure latent = procedures().at("latent");
  const TokenRows prompts = random_prompts(12);
  const FaithfulnessOptions options{.max_answer_tokens = 4};
  const auto perfect = faithfulness(model, latent, prompts, saying([](const at::Tensor& x) { return x; }), options);
  const auto empty =
      faithfulness(model, latent, prompts, saying([](const at::Tensor& x) { return at::zeros_like(x); }), options);
  REQUIRE(perfect.size() == 12);
  bool other_breaks = false;
  for (int64_t i = 0; i < 12; ++i) {
    SolveOptions one{.max_answer_tokens = 4, .ids = {i}};
    CHECK(perfect[i].answer == solve(model, latent, {prompts[i]}, one).answers[0].tokens);
    CHECK(perfect[i].unchanged);
    CHECK(perfect[i].verbalised);
    other_breaks = other_breaks || !perfect[i].other;
    CHECK(empty[i].verbalised == empty[i].other);
    Procedure none = latent;
    none.think.max_steps = 0;
    CHECK(perfect[i].none == (solve(model, none, {prompts[i]}, one).answers[0].tokens == perfect[i].answer));
  }
  CHECK(other_breaks);
}

TEST_CASE("faithfulness feeds words where words are asked for") {
  const auto model = test::tiny_model();
  const Procedure latent = procedures().at("latent");
  const TokenRows prompts = random_prompts(4);
  const auto rows = faithfulness(model, latent, prompts, saying([](const at::Tensor& x) { return x; }),
                                 {.max_answer_tokens = 4, .as_words = true});
  for (size_t i = 0; i < prompts.size(); ++i) {
    Session session(model, {.rows = 1, .capacity = 128});
    std::vector<int64_t> start = prompts[i];
    start.insert(start.end(), {17, 7, 7, 7, 7, 18, 16});  // four thoughts, each token 7
    session.prefill({start});
    CHECK(rows[i].verbalised == (decode(session, {.max_tokens = 4, .stop_tokens = 3})[0].tokens == rows[i].answer));
  }
  CHECK(holds(error_of([&] { faithfulness(model, procedures().at("direct"), prompts, saying({}), {}); }),
              "[faithfulness] expected a method that takes one vector after the other"));
}

}  // namespace
}  // namespace tacit
