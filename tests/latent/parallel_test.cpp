#include "latent/parallel.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include "decoding/decode.h"
#include "latent/session.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

const TokenRows kParallelPrompts = {{1, 2, 3, 4}, {5}, {6, 7, 8, 9, 10, 11}};

ParallelThinkOptions jacobi(int64_t positions, int64_t iterations, const at::Tensor& start_D) {
  return {.name = "jacobi",
          .positions = positions,
          .iterations = iterations,
          .inputs = parallel::jacobi(start_D),
          .keep_trace = true};
}

Session started(const std::shared_ptr<const Transformer>& model) {
  Session session(model, {.rows = 3, .capacity = 40});
  session.prefill(kParallelPrompts);
  return session;
}

}  // namespace

TEST_CASE("as many Jacobi iterations as positions are the sequential loop, fewer are not") {
  const auto model = test::tiny_model();
  const at::Tensor start_D = at::full({32}, 0.3);
  Session one_by_one = started(model);
  const Thoughts sequential = one_by_one.think({.max_steps = 4, .keep_trace = true});
  for (const int64_t iterations : {4, 5}) {
    Session at_once = started(model);
    const Thoughts parallel = at_once.think_in_parallel(jacobi(4, iterations, start_D));
    CHECK(parallel.steps == sequential.steps);
    CHECK(test::relative_error(parallel.trace_BKD, sequential.trace_BKD) < 2e-5);
    CHECK(test::relative_error(at_once.hidden_BD(), one_by_one.hidden_BD()) < 2e-5);
    CHECK(at_once.lengths() == one_by_one.lengths());
    Session answering = one_by_one.fork({0, 1, 2});
    CHECK(decode(at_once, {.max_tokens = 5})[1].tokens == decode(answering, {.max_tokens = 5})[1].tokens);
  }
  Session early = started(model);
  CHECK(test::relative_error(early.think_in_parallel(jacobi(4, 3, start_D)).trace_BKD, sequential.trace_BKD) > 1e-2);
}

TEST_CASE("each iteration reads what the one before gave, one position to the left") {
  const auto model = test::tiny_model();
  const at::Tensor start_D = at::full({32}, 0.3);
  std::vector<at::Tensor> inputs;
  Session session = started(model);
  const at::Tensor before_BD = session.hidden_BD();
  ParallelThinkOptions options = jacobi(3, 2, start_D);
  options.inputs = [&](const ParallelState& state) {
    CHECK(state.iteration == std::ssize(inputs));
    inputs.push_back(parallel::jacobi(start_D)(state));
    return inputs.back();
  };
  session.think_in_parallel(options);
  REQUIRE(inputs.size() == 2);
  CHECK(at::equal(inputs[0].select(1, 0), before_BD));
  CHECK(at::equal(inputs[0][1][2], start_D));
  Session plain = started(model);
  plain.feed_vectors(inputs[0].narrow(1, 0, 2));
  CHECK(test::relative_error(inputs[1].select(1, 2), plain.hidden_BD()) < 2e-5);
  CHECK(at::equal(inputs[1].select(1, 0), before_BD));
}

TEST_CASE("thinking in parallel with gradient gives what a session thinks") {
  const auto model = test::tiny_model();
  const ParallelThinkOptions options = jacobi(5, 2, at::full({32}, -0.2));
  Session session = started(model);
  session.think_in_parallel(options);
  Unroll unroll(*model, kParallelPrompts);
  const at::Tensor last_BKD = unroll.feed_in_parallel(options);
  CHECK(test::relative_error(unroll.last_BD(), session.hidden_BD()) < 2e-5);
  CHECK(at::equal(last_BKD.select(1, 4), unroll.last_BD()));
}

TEST_CASE("no positions are no thoughts; numbers and shapes that make no sense are refused") {
  const auto model = test::tiny_model();
  Session session = started(model);
  const at::Tensor before_BD = session.hidden_BD();
  CHECK(session.think_in_parallel(jacobi(0, 3, at::zeros({32}))).trace_BKD.size(1) == 0);
  CHECK(at::equal(session.hidden_BD(), before_BD));
  CHECK_THROWS_WITH_AS(session.think_in_parallel(jacobi(2, 0, at::zeros({32}))),
                       doctest::Contains("at least one iteration"), Error);
  ParallelThinkOptions wrong = jacobi(2, 1, at::zeros({32}));
  wrong.inputs = [](const ParallelState& state) { return state.before_BD.unsqueeze(1); };
  CHECK_THROWS_WITH_AS(session.think_in_parallel(wrong),
                       doctest::Contains("vectors of shape [3, 2, 32] but got [3, 1, 32]"), Error);
  CHECK_THROWS_WITH_AS(session.think_in_parallel(jacobi(40, 1, at::zeros({32}))), doctest::Contains("capacity 40"),
                       Error);
}
