// What a user's own rules answer is taken as meant or refused, never read past its end.
#include <doctest/doctest.h>

#include "decoding/scheduler.h"
#include "decoding/thought_search.h"
#include "latent/intervention.h"
#include "latent/session.h"
#include "latent/unroll.h"
#include "lib/model/checkpoint.h"
#include "tests/lib/core_support.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Feeds back what `change` makes of the hidden state, rows [B, D].
Feedback changed(std::function<at::Tensor(const at::Tensor&)> change) {
  return {"changed", [change = std::move(change)](const StepState& state) {
            return NextInput{change(state.hidden_BD()), {}};
          }};
}

Halt answering(std::vector<char> flags) {
  return {"flags", [flags = std::move(flags)](const StepState&, const NextInput&) { return flags; }};
}

const TokenRows kPrompts = {{1, 2, 3}, {4}};

Session prompted(const std::shared_ptr<const Transformer>& model, bool fused = true) {
  Session session(model, {.rows = 2, .capacity = 32, .fused = fused});
  session.prefill(kPrompts);
  return session;
}

}  // namespace

TEST_CASE("a proposal in another dtype is the model's before it is fed back, on the packed form as on the plain path") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const auto model = load_model(test::fixture("llama"), {.dtype = dtype});
    REQUIRE(model->fused() != nullptr);
    for (const at::ScalarType proposed : {at::kDouble, at::kFloat, at::kBFloat16}) {
      for (const bool fused : {true, false}) {
        CAPTURE(dtype);
        CAPTURE(proposed);
        CAPTURE(fused);
        const auto cast = [&](const at::Tensor& x_BD) { return x_BD.to(proposed).to(dtype); };
        Session got = prompted(model, fused), want = prompted(model, fused);
        const Thoughts thoughts =
            got.think({.max_steps = 2,
                       .feedback = changed([&](const at::Tensor& x_BD) { return x_BD.to(proposed); }),
                       .keep_trace = true});
        want.think({.max_steps = 2, .feedback = changed(cast)});
        CHECK((thoughts.trace_BKD.scalar_type() == dtype));
        CHECK(at::equal(got.logits_BV(), want.logits_BV()));
      }
    }
  }
}

TEST_CASE("a proposal that is not a vector a row is refused, by sessions, batches and trees alike") {
  const auto model = test::tiny_model({.smeared_keys = false});
  const int64_t D = model->config().hidden_size;
  struct Case {
    std::function<at::Tensor(const at::Tensor&)> change;
    std::string message;
  };
  const std::vector<Case> cases = {
      {[](const at::Tensor& x) {
         return x.narrow(0, 0, 1).expand({x.size(0) + 1, -1});
       },
       "but got ["},
      {[](const at::Tensor& x) { return x.narrow(1, 0, 8); }, ", 8]"},
      {[](const at::Tensor& x) {
         return at::cat({x, x}, 1);
       },
       ", 64]"},
      {[](const at::Tensor& x) { return x[0]; }, "but got [32]"},
      {[](const at::Tensor& x) { return x.unsqueeze(1); }, ", 1, 32]"},
      {[](const at::Tensor& x) { return x.to(at::kLong); }, "expected floating-point vectors"},
      {[](const at::Tensor&) { return at::Tensor(); }, "but got none"},
  };
  REQUIRE(D == 32);
  for (const Case& c : cases) {
    for (const bool fused : {true, false}) {
      Session session = prompted(model, fused);
      const std::string error = error_of([&] { session.think({.feedback = changed(c.change)}); });
      CAPTURE(error);
      CHECK(holds(error, "[think] expected"));
      CHECK(holds(error, c.message));
    }
    const Procedure procedure{.think = {.max_steps = 2, .feedback = changed(c.change)}};
    CHECK(holds(
        error_of([&] { solve_all(model, procedure, kPrompts, {}, [](int64_t, const Solution&) { return true; }); }),
        c.message));
    CHECK(holds(error_of([&] { search_thoughts(model, procedure, kPrompts[0], {.width = 1, .branch = 1}, 2); }),
                c.message));
  }
}

TEST_CASE("a rule within another is asked with the same care") {
  const auto model = test::tiny_model({.smeared_keys = false});
  const auto error = [&](const Procedure& procedure, const std::string& intervention) {
    const Procedure changed = intervene(procedure, parse_intervention(intervention, 1));
    return error_of([&] { solve_all(model, changed, kPrompts, {}, [](int64_t, const Solution&) { return true; }); });
  };
  CHECK(holds(error({.think = {.max_steps = 2, .halt = answering({})}}, "truncate:1"), "but got 0 flags"));
  const Feedback one_row = changed([](const at::Tensor& x_BD) { return x_BD.narrow(0, 0, 1); });
  CHECK(holds(error({.think = {.max_steps = 2, .feedback = one_row}}, "zero"), "to propose vectors [2, 32]"));
}

TEST_CASE("a halting rule that does not answer for every row, or tokens that are not one a row, are refused") {
  const auto model = test::tiny_model({.smeared_keys = false});
  for (const std::vector<char>& flags : {std::vector<char>{}, {0}, {0, 0, 0}}) {
    Session session = prompted(model);
    CHECK(holds(error_of([&] { session.think({.halt = answering(flags)}); }),
                "expected halting rule 'flags' to answer for each of 2 rows but got " + std::to_string(flags.size())));
  }
  const Procedure procedure{.think = {.max_steps = 2, .halt = answering({})}};
  CHECK(
      holds(error_of([&] { solve_all(model, procedure, kPrompts, {}, [](int64_t, const Solution&) { return true; }); }),
            "but got 0 flags"));
  const Feedback one_token = {"one", [](const StepState& state) { return NextInput{state.hidden_BD(), {5}}; }};
  Session session = prompted(model);
  CHECK(holds(error_of([&] { session.think({.feedback = one_token}); }), "a token for each of 2 rows, or none"));
  CHECK(holds(error_of([&] { session.think({.feedback = {"empty", {}}}); }), "'empty' has no function"));
  CHECK(holds(error_of([&] { session.think({.feedback = feedback::token(-1)}); }), "to feed back but got -1"));
  CHECK(holds(error_of([&] { session.think({.halt = halt::head(at::ones({1}), at::zeros({1}))}); }),
              "expected a head of 32 weights but got 1"));
}

TEST_CASE("a built-in rule whose function was changed is that function, on the packed form too") {
  const auto model = load_model(test::fixture("llama"));
  REQUIRE(model->fused() != nullptr);
  Feedback half = feedback::hidden();
  half.next = [](const StepState& state) { return NextInput{state.hidden_BD() * .5}; };
  Halt first = halt::fixed(3);
  first.stop = [](const StepState& state, const NextInput&) {
    return std::vector<char>(state.rows(), state.step() >= 1);
  };
  CHECK(feedback::hidden_at(feedback::hidden(HiddenAt::before_norm)) == HiddenAt::before_norm);
  CHECK_FALSE(feedback::hidden_at(half));
  CHECK(halt::ends_after(halt::fixed(3)) == 3);
  CHECK_FALSE(halt::ends_after(first));
  std::vector<at::Tensor> logits_BV;
  for (const bool fused : {true, false}) {
    Session session = prompted(model, fused);
    const at::Tensor start_BD = session.hidden_BD();
    const Thoughts thoughts = session.think({.max_steps = 3, .feedback = half, .halt = first, .keep_trace = true});
    CHECK(thoughts.steps == std::vector<int64_t>{1, 1});
    CHECK(at::equal(thoughts.trace_BKD.select(1, 0), start_BD * .5));
    logits_BV.push_back(session.logits_BV());
  }
  CHECK(at::allclose(logits_BV[0], logits_BV[1], 1e-4, 1e-5));
}

TEST_CASE("a rule that asks for a row that is not there is told so") {
  const auto model = test::tiny_model({.smeared_keys = false});
  for (const int64_t row : {-1, 2}) {
    for (const auto& ask : std::vector<std::function<void(const StepState&)>>{
             [&](const StepState& s) { s.id(row); }, [&](const StepState& s) { s.length(row); },
             [&](const StepState& s) { s.notes(row); }, [&](const StepState& s) { s.rng(row, 1); }}) {
      Session session = prompted(model);
      const Feedback asks = {"asks", [&](const StepState& state) {
                               ask(state);
                               return NextInput{state.hidden_BD()};
                             }};
      CHECK(holds(error_of([&] { session.think({.feedback = asks}); }),
                  "[think] expected a row of 0 to 1 but got " + std::to_string(row)));
    }
    Session session = prompted(model);
    CHECK(holds(error_of([&] { session.notes(row); }), "[notes] expected a row of 0 to 1"));
    CHECK(holds(error_of([&] { session.exits(row); }), "[exits] expected a row of 0 to 1"));
  }
}

TEST_CASE("a vector that is not finite is refused where it would be consumed, and names its row and thought") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const auto model = load_model(test::fixture("llama"), {.dtype = dtype});
    const Feedback breaks = {"breaks", [](const StepState& state) {
                               at::Tensor x_BD = state.hidden_BD().clone();
                               for (int64_t b = 0; b < state.rows(); ++b) {
                                 if (state.id(b) == 7 && state.notes(b).thoughts == 1) x_BD[b][3] = NAN;
                               }
                               return NextInput{x_BD};
                             }};
    const auto named = [&] {
      Session session = prompted(model);
      session.name_rows(std::vector<int64_t>{4, 7});
      return session;
    };
    Session session = named();
    CHECK(
        holds(error_of([&] { session.think({.max_steps = 3, .feedback = breaks}); }),
              "[think] expected feedback 'breaks' to propose finite vectors but got nan for row 1 (id 7), thought 2"));
    CHECK(session.lengths() == std::vector<int64_t>{4, 2});  // the first thought alone was fed, of either row
    Session stops = named();                                 // before it would consume that
    const Halt second = {"second", [](const StepState& state, const NextInput&) {
                           return std::vector<char>{0, static_cast<char>(state.step() >= 1)};
                         }};
    CHECK(stops.think({.max_steps = 3, .feedback = breaks, .halt = second}).steps == std::vector<int64_t>{3, 1});
  }
}

TEST_CASE("tokens of a proposal are the vocabulary's, and come with every thought or with none") {
  const auto model = test::tiny_model({.smeared_keys = false});
  const auto proposing = [&](std::function<std::vector<int64_t>(const StepState&)> tokens) {
    Session session = prompted(model);
    const Feedback feedback = {"own", [&](const StepState& state) {
                                 return NextInput{state.hidden_BD(), tokens(state)};
                               }};
    return error_of([&] { session.think({.max_steps = 3, .feedback = feedback}); });
  };
  CHECK(proposing([](const StepState&) { return std::vector<int64_t>{1, 2}; }).empty());
  CHECK(holds(proposing([](const StepState&) { return std::vector<int64_t>{1, -7}; }), "but got -7"));
  CHECK(holds(proposing([&](const StepState&) {
                return std::vector<int64_t>{model->config().vocab_size, 1};
              }),
              "expected feedback 'own' to propose tokens of 0 to"));
  CHECK(holds(proposing([](const StepState& s) {
                return s.step() == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{1, 2};
              }),
              "for every thought, or for none, but got none for thought 2"));
  Session session = prompted(model);
  const Feedback once = {
      "once", [](const StepState& s) {
        return NextInput{s.hidden_BD(), s.step() == 0 ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{}};
      }};
  CHECK(holds(error_of([&] { session.think({.max_steps = 3, .feedback = once}); }), "but got none for thought 2"));
  CHECK(session.lengths() == std::vector<int64_t>{4, 2});  // what is refused is not fed
}

TEST_CASE("a session without a model, or one that was moved from, says so") {
  CHECK(holds(error_of([] { Session(nullptr); }), "[session] expected a model but got none"));
  Session first = prompted(test::tiny_model({.smeared_keys = false}));
  const Session second = std::move(first);
  for (const auto& use : std::vector<std::function<void()>>{
           [&] { first.think({}); }, [&] { first.feed({1}); },
           [&] {
             first.feed_vectors(at::zeros({2, 1, 32}));
           },
           [&] { first.fork({0}); }, [&] { first.logits_BV(); }, [&] { first.notes(0); }, [&] { first.exits(1); },
           [&] {
             first.truncate({0, 0});
           },
           [&] { first.state(std::vector<int64_t>{0}, 0); }, [&] { first.model(); }, [&] { first.reads_at_once(); },
           [&] { first.adopt(0, first, 1); }})
    CHECK(holds(error_of(use), "expected a session but got one that was moved from"));
  CHECK(second.lengths() == std::vector<int64_t>{3, 1});
}

TEST_CASE("what a session shows of its hidden states is not what it goes on from") {
  Session session = prompted(test::tiny_model({.smeared_keys = false}));
  const at::Tensor before_BV = session.logits_BV();
  session.hidden_BD(HiddenAt::before_norm).mul_(-1);
  CHECK(at::equal(session.logits_BV(), before_BV));
}

TEST_CASE("embeddings: tokens outside of the vocabulary and mixtures of another size are refused, fp32 serves bf16") {
  const auto model = load_model(test::fixture("llama"), {.dtype = at::kBFloat16});
  const int64_t V = model->config().vocab_size;
  for (const int64_t id : {int64_t{-1}, V})
    CHECK(holds(error_of([&] { model->embed(at::tensor({id}, at::kLong)); }),
                "[embed] expected tokens of 0 to " + std::to_string(V - 1) + " but got " + std::to_string(id)));
  for (const at::Tensor& weight : {at::ones({2, V + 1}), at::ones({2, V}, at::kLong), at::Tensor()})
    CHECK(holds(error_of([&] { model->embed_mixture(weight); }), "[embed_mixture] expected floating-point weights"));
  const at::Tensor one_V = at::zeros({V});
  one_V[3] = 1;
  CHECK(at::equal(model->embed_mixture(one_V), model->embed(at::tensor({3}, at::kLong))[0]));
}

TEST_CASE("thoughts at many positions: their inputs are checked like one thought's") {
  const auto model = test::tiny_model({.smeared_keys = false});
  for (const at::Tensor& inputs :
       {at::zeros({1, 1, 32}), at::zeros({2, 1, 8}), at::zeros({2, 2, 32}), at::zeros({2, 1, 32}, at::kLong)}) {
    Session session = prompted(model);
    const auto error = error_of(
        [&] { session.think_in_parallel({.positions = 1, .inputs = [&](const ParallelState&) { return inputs; }}); });
    CHECK(holds(error, "[think_in_parallel] expected"));
    Unroll unroll(*model, kPrompts);
    const auto unrolled = error_of(
        [&] { unroll.feed_in_parallel({.positions = 1, .inputs = [&](const ParallelState&) { return inputs; }}); });
    CHECK(holds(unrolled, "[unroll] expected"));
  }
  Session session = prompted(model);
  const auto halfway = [](const ParallelState& state) {
    return state.iteration < 2 ? at::zeros({2, 3, 32}) : at::Tensor();
  };
  CHECK(error_of([&] { session.think_in_parallel({.positions = 3, .iterations = 3, .inputs = halfway}); }) != "");
  CHECK(session.lengths() == std::vector<int64_t>{3, 1});
  CHECK(at::equal(session.logits_BV(), prompted(model).logits_BV()));
}

TEST_CASE("feed: one list goes to every row, a list of lists is a list for each, whatever their lengths") {
  const auto model = test::tiny_model({.smeared_keys = false});
  Session braces = prompted(model), spelled = prompted(model), all = prompted(model), both = prompted(model);
  braces.feed({{5}, {6}});
  spelled.feed(TokenRows{{5}, {6}});
  CHECK(braces.lengths() == std::vector<int64_t>{4, 2});
  CHECK(at::equal(braces.logits_BV(), spelled.logits_BV()));
  const int64_t token = 5;
  all.feed({token, token + 1});
  both.feed({{5, 6}, {5, 6}});
  CHECK(at::equal(all.logits_BV(), both.logits_BV()));
  Session one_row_stays = prompted(model);
  one_row_stays.feed({{}, {5}});
  Session alone = one_row_stays.fork({1});
  alone.feed({{5}});
  alone.feed({{5, 6}});
  CHECK(alone.lengths() == std::vector<int64_t>{5});
  alone.name_rows({9});
  CHECK(alone.state(std::vector<int64_t>{0}, 0).id(0) == 9);
  alone.truncate({4});
  CHECK(alone.lengths() == std::vector<int64_t>{4});
  CHECK(one_row_stays.lengths() == std::vector<int64_t>{3, 2});
}

TEST_CASE("notes of rules outlive a feed that is refused, and tell after a truncation how many thoughts are left") {
  const auto model = test::tiny_model({.smeared_keys = false});
  Session session = prompted(model);
  session.think({.max_steps = 3});
  session.notes(0).numbers["own"] = 1;
  CHECK(holds(error_of([&] { session.feed(TokenRows{std::vector<int64_t>(40, 1), {}}); }), "[feed] expected"));
  CHECK(session.notes(0).thoughts == 3);
  CHECK(session.notes(0).number("own", 0) == 1);
  session.truncate(std::vector<int64_t>{5, 4});  // row 0 keeps two thoughts, row 1 all
  CHECK(session.notes(0).thoughts == 2);
  CHECK(session.notes(0).number("own", 0) == 0);
  CHECK(session.notes(1).thoughts == 3);
  session.truncate(std::vector<int64_t>{2, 1});
  CHECK(session.notes(0).thoughts == 0);
}

TEST_CASE("an unrolled batch takes nothing behind its rest, and no more than the model's positions") {
  const auto model = test::tiny_model({.smeared_keys = false});
  const std::vector<TrainingRow> rows = {{.prompt = kPrompts[0], .rest = {3, 4, 5}, .rest_trained = {1, 1, 1}},
                                         {.prompt = kPrompts[1], .rest = {3, 4}, .rest_trained = {1, 1}}};
  Unroll ended(*model, kPrompts), longer(*model, kPrompts);
  ended.feed_rest(rows);
  CHECK(holds(error_of([&] { ended.feed(at::zeros({2, 1, 32})); }), "[unroll] expected nothing after feed_rest()"));
  CHECK(holds(error_of([&] { ended.feed_rest(rows); }), "[unroll] expected nothing after feed_rest()"));
  const int64_t most = model->config().max_positions;
  CHECK(holds(error_of([&] {
                longer.feed(at::zeros({2, most - 2, 32}));
              }),
              "[unroll] expected at most " + std::to_string(most) + " positions (the model's) but got " +
                  std::to_string(most + 1)));
}

TEST_CASE("an unrolled batch names what it cannot take") {
  const auto model = test::tiny_model({.smeared_keys = false});
  const int64_t V = model->config().vocab_size;
  CHECK(holds(error_of([&] {
                Unroll(*model, {{1}, {2, V}});
              }),
              "[unroll] expected token ids of 0 to " + std::to_string(V - 1) + " but got " + std::to_string(V) +
                  " in row 1, position 1"));
  CHECK(holds(error_of([&] { Unroll(*model, kPrompts, false, {.recurrences = 3}); }), "without recurrent depth"));
  Unroll unroll(*model, kPrompts);
  CHECK(holds(error_of([&] { unroll.feed(at::zeros({1, 1, 32})); }), "[unroll] expected vectors of shape [2, 1, 32]"));
  const TrainingRow row{.prompt = {1}, .rest = {3, -100}, .rest_trained = {0, 1}};
  CHECK(holds(error_of([&] { unroll.feed_rest({row}); }), "expected a rest for each of 2 rows but got 1"));
  CHECK(holds(error_of([&] { unroll.feed_rest({row, row}); }), "but got -100 in row 0, position 1"));
  CHECK(holds(error_of([&] { token_loss(*model, at::zeros({1, 2, 32}), {row}); }), "[token_loss] expected token ids"));
  CHECK(holds(error_of([&] { latent_loss(*model, {row}); }), "[latent_loss] expected token ids"));
}
