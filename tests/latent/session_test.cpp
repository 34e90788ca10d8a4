#include "latent/session.h"

#include <doctest/doctest.h>

#include <numeric>

#include "decoding/decode.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "tests/latent/uneven_prompts.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

using test::kFp32Near;

}  // namespace

TEST_CASE("a row's thoughts, hidden state and logits do not depend on the rows beside it") {
  const auto model = test::tiny_model();
  for (uint64_t seed = 0; seed < 8; ++seed) {
    Rng rng(seed);
    const TokenRows prompts = test::uneven_prompts(rng, rng.between(2, 6), model->config().vocab_size, 12);
    Session together(model, {.rows = std::ssize(prompts), .capacity = 64});
    together.prefill(prompts);
    const Thoughts all = together.think({.max_steps = 4, .keep_trace = true});
    for (size_t b = 0; b < prompts.size(); ++b) {
      Session alone(model, {.rows = 1, .capacity = 40});
      alone.prefill({prompts[b]});
      const Thoughts one = alone.think({.max_steps = 4, .keep_trace = true});
      CHECK(test::relative_error(all.trace_BKD[b], one.trace_BKD[0]) < kFp32Near);
      CHECK(test::relative_error(together.hidden_BD()[b], alone.hidden_BD()[0]) < kFp32Near);
      CHECK(test::relative_error(together.logits_BV()[b], alone.logits_BV()[0]) < kFp32Near);
    }
  }
}

TEST_CASE("a row that halts early does not disturb the others, nor its own state") {
  const auto model = test::tiny_model();
  const TokenRows prompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}};
  const Halt staggered = {"staggered", [](const StepState& state, const NextInput&) {
                            return std::vector<char>{state.step() >= 1, state.step() >= 4, state.step() >= 2};
                          }};
  Session together(model, {.rows = 3, .capacity = 32});
  together.prefill(prompts);
  const Thoughts got = together.think({.max_steps = 4, .halt = staggered, .keep_trace = true});
  CHECK(got.steps == std::vector<int64_t>{1, 4, 2});
  CHECK(got.halted == std::vector<char>{1, 0, 1});
  CHECK(together.lengths() == std::vector<int64_t>{4, 5, 7});
  CHECK(got.trace_BKD[0].slice(0, 1).abs().max().item<double>() == 0);
  together.feed(TokenRows{{3}, {}, {2, 1}});
  const std::vector<std::vector<int64_t>> after = {{3}, {}, {2, 1}};
  for (int64_t b = 0; b < 3; ++b) {
    Session alone(model, {.rows = 1, .capacity = 32});
    alone.prefill({prompts[b]});
    alone.think({.max_steps = got.steps[b]});
    alone.feed(TokenRows{after[b]});
    CHECK(test::relative_error(together.logits_BV()[b], alone.logits_BV()[0]) < kFp32Near);
  }
}

TEST_CASE("thinking step by step equals thinking all at once") {
  const auto model = test::tiny_model();
  const TokenRows prompts = {{1, 2, 3}, {4, 5}};
  for (const Feedback& feedback :
       {feedback::hidden(), feedback::hidden(HiddenAt::before_norm), feedback::embed_argmax()}) {
    Session once(model, {.rows = 2, .capacity = 32}), stepwise(model, {.rows = 2, .capacity = 32});
    once.prefill(prompts);
    stepwise.prefill(prompts);
    const Thoughts all = once.think({.max_steps = 5, .feedback = feedback, .keep_trace = true});
    std::vector<at::Tensor> trace;
    for (int step = 0; step < 5; ++step) {
      trace.push_back(stepwise.think({.max_steps = 1, .feedback = feedback, .keep_trace = true}).trace_BKD);
    }
    CHECK(at::equal(all.trace_BKD, at::cat(trace, 1)));
    CHECK(at::equal(once.logits_BV(), stepwise.logits_BV()));
  }
}

TEST_CASE("a forked session equals a fresh one that was fed the same, and leaves its parent alone") {
  const auto model = test::tiny_model();
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
    CHECK(test::relative_error(child.logits_BV()[static_cast<int64_t>(i)], fresh.logits_BV()[0]) < kFp32Near);
  }
  parent.feed({9});
  parent.think({.max_steps = 1});
  CHECK(test::relative_error(parent.logits_BV()[0], child.logits_BV()[1]) < kFp32Near);
}

TEST_CASE("token chain of thought is the loop with embed_argmax: the same tokens as decode") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const auto model = test::tiny_model({.seed = seed});
    Rng rng(seed);
    const TokenRows prompts = test::uneven_prompts(rng, 4, model->config().vocab_size, 9);
    Session thinking(model, {.rows = 4, .capacity = 64}), decoding(model, {.rows = 4, .capacity = 64});
    thinking.prefill(prompts);
    decoding.prefill(prompts);
    const int64_t stop = 3;
    const Thoughts words =
        thinking.think({.max_steps = 12, .feedback = feedback::embed_argmax(), .halt = halt::delimiter(stop)});
    const auto decoded = decode(decoding, {.max_tokens = 12, .stop_tokens = stop});
    for (int64_t b = 0; b < 4; ++b) {
      CHECK(words.tokens[b] == decoded[b].tokens);
      CHECK(static_cast<bool>(words.halted[b]) == decoded[b].stopped);
    }
    CHECK(thinking.lengths() == decoding.lengths());
    CHECK(test::relative_error(thinking.logits_BV(), decoding.logits_BV()) < kFp32Near);
  }
}

TEST_CASE("feeding in pieces equals feeding at once") {
  const auto model = test::tiny_model();
  Session pieces(model, {.rows = 2, .capacity = 32}), whole(model, {.rows = 2, .capacity = 32});
  whole.prefill({{1, 2, 3, 4, 5}, {6, 7, 8}});
  pieces.prefill({{1, 2}, {6}});
  pieces.feed(TokenRows{{3}, {7, 8}});
  pieces.feed(TokenRows{{4, 5}, {}});
  CHECK(test::relative_error(pieces.logits_BV(), whole.logits_BV()) < kFp32Near);
  CHECK(pieces.lengths() == whole.lengths());
}

TEST_CASE("feeding embeddings equals feeding their tokens") {
  const auto model = test::tiny_model();
  Session tokens(model, {.rows = 1, .capacity = 16}), vectors(model, {.rows = 1, .capacity = 16});
  tokens.prefill({{1, 2, 3}});
  vectors.feed_vectors(model->embed(at::tensor({1, 2, 3}, at::kLong)).unsqueeze(0));
  CHECK(at::equal(tokens.logits_BV(), vectors.logits_BV()));
}

TEST_CASE("the first thought is the prompt's last hidden state after the final norm") {
  const auto model = test::tiny_model();
  Session session(model, {.rows = 1, .capacity = 16});
  session.prefill({{1, 2, 3}});
  const at::Tensor expected = session.hidden_BD();
  CHECK(at::equal(session.think({.max_steps = 1, .keep_trace = true}).trace_BKD.select(1, 0), expected));
}

TEST_CASE("pause feeds its token whatever the hidden state") {
  const auto model = test::tiny_model();
  Session paused(model, {.rows = 1, .capacity = 16}), fed(model, {.rows = 1, .capacity = 16});
  paused.prefill({{1, 2}});
  fed.prefill({{1, 2, 7, 7, 7}});
  const Thoughts got = paused.think({.max_steps = 3, .feedback = feedback::token(7)});
  CHECK(got.tokens[0] == std::vector<int64_t>{7, 7, 7});
  CHECK(test::relative_error(paused.logits_BV(), fed.logits_BV()) < kFp32Near);
}

TEST_CASE("a row may fill its capacity to the last column, and no further") {
  const auto model = test::tiny_model();
  Session session(model, {.rows = 2, .capacity = 5});
  session.prefill({{1, 2, 3}, {4, 5, 6, 7, 8}});
  Session alone(model, {.rows = 1, .capacity = 9});
  alone.prefill({{1, 2, 3}});
  alone.feed({1, 2});
  session.feed(TokenRows{{1, 2}, {}});
  CHECK(test::relative_error(session.logits_BV()[0], alone.logits_BV()[0]) < kFp32Near);
  const at::Tensor before = session.logits_BV();
  CHECK_THROWS_WITH_AS(
      session.feed({1}),
      doctest::Contains("[feed] expected at most 0 more tokens in row 0 but got 1 (capacity 5, stored 5)"), Error);
  CHECK_THROWS_WITH_AS(session.think({}), doctest::Contains("[think] expected at most 0 more tokens in row 0"), Error);
  CHECK(at::equal(session.logits_BV(), before));
}

TEST_CASE("bad calls name the operation, the expectation and what came") {
  const auto model = test::tiny_model();
  CHECK_THROWS_WITH_AS(Session(model, {.rows = 0}), doctest::Contains("[session] expected at least 1 row but got 0"),
                       Error);
  CHECK_THROWS_WITH_AS(Session(model, {.capacity = 100000}),
                       doctest::Contains("[session] expected a capacity of 1 to 256"), Error);
  Session session(model, {.rows = 2, .capacity = 8});
  CHECK_THROWS_WITH_AS(session.think({}),
                       doctest::Contains("[think] expected every row to have consumed a token but row 0 is empty"),
                       Error);
  CHECK_THROWS_WITH_AS(session.prefill({{1}}),
                       doctest::Contains("[prefill] expected one list of tokens for each of 2 rows but got 1"), Error);
  CHECK_THROWS_WITH_AS(session.prefill({{1}, {}}),
                       doctest::Contains("[prefill] expected 1 to 8 tokens in row 1 but got 0 (capacity 8)"), Error);
  CHECK_THROWS_WITH_AS(session.prefill({{1}, std::vector<int64_t>(9, 1)}),
                       doctest::Contains("[prefill] expected 1 to 8 tokens in row 1 but got 9 (capacity 8)"), Error);
  CHECK_THROWS_WITH_AS(session.prefill({{1}, {20}}),
                       doctest::Contains("[prefill] expected token ids of 0 to 19 but got 20 in row 1, position 0"),
                       Error);
  session.prefill({{1}, {2}});
  CHECK_THROWS_WITH_AS(session.prefill({{1}, {2}}),
                       doctest::Contains("[prefill] expected a session that has consumed nothing"), Error);
  CHECK_THROWS_WITH_AS(session.fork({2}), doctest::Contains("[fork] expected rows of 0 to 1 but got 2"), Error);
  CHECK_THROWS_WITH_AS(session.think({.halt = halt::delimiter(3)}),
                       doctest::Contains("expected a feedback that proposes tokens"), Error);
  CHECK_THROWS_WITH_AS(session.feed_vectors(at::zeros({2, 1, 7})),
                       doctest::Contains("expected vectors of shape [2, 1, 32] but got [2, 1, 7]"), Error);
}

TEST_CASE("a truncated row goes on as if it had never held the rest, once it is fed") {
  const auto model = test::tiny_model({.smeared_keys = false});
  Session session(model, {.rows = 2, .capacity = 32}), fresh(model, {.rows = 2, .capacity = 32});
  session.prefill({{1, 2, 3, 4}, {5, 6}});
  session.think({.max_steps = 3});
  const std::vector<int64_t> kept = {2, 5};
  session.truncate(kept);
  CHECK(session.lengths() == kept);
  CHECK_THROWS_WITH_AS(session.think({.max_steps = 1}), doctest::Contains("row 0 has none since it was truncated"),
                       Error);
  CHECK_THROWS_AS(session.logits_BV(), Error);
  session.feed(TokenRows{{7, 8}, {}});  // row 1 was not shortened
  fresh.prefill({{1, 2, 7, 8}, {5, 6}});
  fresh.think({.max_steps = 3, .halt = {"second row", [](const StepState&, const NextInput&) {
                                          return std::vector<char>{1, 0};
                                        }}});
  CHECK(test::relative_error(session.logits_BV(), fresh.logits_BV()) < kFp32Near);
  CHECK(test::relative_error(session.think({.max_steps = 2, .keep_trace = true}).trace_BKD,
                             fresh.think({.max_steps = 2, .keep_trace = true}).trace_BKD) < kFp32Near);
}

TEST_CASE("a session reports the bytes of a row, and refuses what its model cannot do") {
  const auto model = test::tiny_model();
  const ModelConfig& c = model->config();
  Session session(model, {.rows = 3, .capacity = 10});
  const int64_t columns = 2 * 11 + 1;  // keys and values, one column of padding; the last key before smearing
  CHECK(session.memory_bytes_per_row() == c.layers * columns * c.kv_heads * c.head_size * 4);
  CHECK(session.memory_bytes() == 3 * session.memory_bytes_per_row());
  session.prefill({{1}, {2}, {3}});
  const std::vector<int64_t> none = {0, 1, 1};
  CHECK_THROWS_WITH_AS(session.truncate(none), doctest::Contains("a smeared key needs the one before it"), Error);
  CHECK_THROWS_WITH_AS(Session(model, {.capacity = 10, .recurrences = 2}), doctest::Contains("without recurrent depth"),
                       Error);
}
