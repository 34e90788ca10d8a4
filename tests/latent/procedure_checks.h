#pragma once

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include "datasets/reach.h"
#include "decoding/scheduler.h"
#include "latent/method.h"
#include "lib/core/rng.h"
#include "tests/support/tiny_model.h"

namespace tacit::test {

// A vocabulary of 10 labels, its markers, and a model of that size.
struct SmallWorld {
  std::shared_ptr<const Tokenizer> tokenizer = make_word_tokenizer(reach_vocabulary(10));
  MethodSettings settings = {.max_words = 9,
                             .task = "reach",
                             .labels = 10,
                             .markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"}};
  std::shared_ptr<const Transformer> model = tiny_model({.vocab_size = tokenizer->vocab_size()});

  int64_t id(const std::string& word) const { return tokenizer->require_id(word, "test"); }
  // An example whose question needs no sense.
  Example example(const std::string& question, std::vector<std::string> steps, const std::string& answer) const {
    return {.id = "x", .question = question, .steps = std::move(steps), .answer = answer};
  }
};

// The same model with another unembedding: its distributions differ much in entropy from one position to the next.
inline std::shared_ptr<const Transformer> decided(const Transformer& model) {
  auto weights = model.weights();
  weights["unembedding"] = weights.at("unembedding") * 60;
  return std::make_shared<Transformer>(model.config(), weights);
}

// One token's embedding [D].
inline at::Tensor embedding_of(const Transformer& model, int64_t id) {
  return model.embed(at::tensor({id}, at::kLong))[0];
}

inline TokenRows some_prompts(int64_t rows, int64_t vocabulary, uint64_t seed = 3) {
  Rng rng(seed);
  TokenRows out(rows);
  for (auto& row : out) {
    for (int64_t i = rng.between(1, 12); i > 0; --i) row.push_back(rng.below(vocabulary));
  }
  return out;
}

inline void check_same_thoughts(const Thoughts& got, int64_t row, const Thoughts& alone) {
  CHECK(got.steps[row] == alone.steps[0]);
  CHECK(got.tokens[row] == alone.tokens[0]);
  CHECK(got.halted[row] == alone.halted[0]);
  const int64_t steps = alone.steps[0];
  // fp32 sums in another order, over thoughts that are fed back.
  CHECK(at::allclose(got.trace_BKD[row].narrow(0, 0, steps), alone.trace_BKD[0].narrow(0, 0, steps), /*rtol=*/1e-4,
                     /*atol=*/1e-3));
}

// What every procedure owes its rows: the same thoughts and answer alone, in a batch, one call of think() a step, and
// in a running batch. -> thoughts by row, for what else the caller wants to know
inline std::vector<int64_t> check_procedure(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                                            const TokenRows& prompts) {
  const Solution together = solve(model, procedure, prompts, {.max_answer_tokens = 3, .keep_trace = true});
  std::vector<Solution> alone;
  for (size_t b = 0; b < prompts.size(); ++b) {
    CAPTURE(b);
    const SolveOptions options{.max_answer_tokens = 3, .keep_trace = true, .ids = {static_cast<int64_t>(b)}};
    alone.push_back(solve(model, procedure, {prompts[b]}, options));
    check_same_thoughts(together.thoughts, static_cast<int64_t>(b), alone[b].thoughts);
    CHECK(together.answers[b].tokens == alone[b].answers[0].tokens);

    Session session(model, {.rows = 1, .capacity = 120});
    session.name_rows(std::vector<int64_t>{static_cast<int64_t>(b)});
    session.prefill(with_suffix(procedure, {prompts[b]}));
    ThinkOptions one = procedure.think;
    one.max_steps = 1;
    int64_t steps = 0;
    while (steps < procedure.think.max_steps && session.think(one).steps[0] == 1) ++steps;
    CHECK(steps == alone[b].thoughts.steps[0]);
    session.feed(procedure.answer_marker);
    CHECK(decode(session, {.max_tokens = 3, .stop_tokens = procedure.stop_tokens})[0].tokens ==
          alone[b].answers[0].tokens);
  }
  solve_all(model, procedure, prompts, {.rows = 2, .solve = {.max_answer_tokens = 3, .keep_trace = true}},
            [&](int64_t problem, Solution got) {
              CAPTURE(problem);
              check_same_thoughts(got.thoughts, 0, alone[problem].thoughts);
              CHECK(got.answers[0].tokens == alone[problem].answers[0].tokens);
              return true;
            });
  return together.thoughts.steps;
}

}  // namespace tacit::test
