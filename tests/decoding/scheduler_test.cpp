#include "decoding/scheduler.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "lib/core/error.h"
#include "lib/model/checkpoint.h"
#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

using Model = std::shared_ptr<const Transformer>;

std::vector<Solution> all_of(const Model& model, const Procedure& procedure, const TokenRows& prompts,
                             const ScheduleOptions& options, std::vector<int64_t>* order = nullptr) {
  std::vector<Solution> out(prompts.size());
  CHECK(solve_all(model, procedure, prompts, options, [&](int64_t problem, Solution solution) {
    CHECK(out[problem].answers.empty());
    out[problem] = std::move(solution);
    if (order) order->push_back(problem);
    return true;
  }));
  return out;
}

// Texts are equal, thoughts up to the rounding of fp32 sums in another order; vectors have elements of size 1.
void check_same(const Solution& got, const Solution& alone) {
  REQUIRE(got.answers.size() == 1);
  CHECK(got.thoughts.steps == alone.thoughts.steps);
  CHECK(got.thoughts.tokens == alone.thoughts.tokens);
  CHECK(got.thoughts.halted == alone.thoughts.halted);
  CHECK(got.answers[0].tokens == alone.answers[0].tokens);
  CHECK(got.answers[0].stopped == alone.answers[0].stopped);
  const int64_t steps = alone.thoughts.steps[0];
  REQUIRE(got.thoughts.trace_BKD.sizes() == at::IntArrayRef({1, steps, alone.thoughts.trace_BKD.size(2)}));
  CHECK(at::allclose(got.thoughts.trace_BKD, alone.thoughts.trace_BKD.narrow(1, 0, steps), /*rtol=*/0, /*atol=*/1e-4));
}

Model hybrid(const std::vector<std::string>& types) {
  Json config = test::tiny_config({.layers = std::ssize(types), .max_positions = 128});
  config["layer_types"] = types;
  if (std::ranges::count(types, "sliding_attention") > 0) config["sliding_window"] = 5;
  if (std::ranges::count(types, "rwkv7") > 0) config["rwkv7_low_rank"] = 4;
  return make_model(model_config_from_json(config, "config.json"), /*seed=*/3);
}

// Positions are rotary but turn nothing.
Model unrotated() {
  Json config = test::tiny_config({.max_positions = 128});
  config["rotary_fraction"] = 0;
  return make_model(model_config_from_json(config, "config.json"), /*seed=*/4);
}

TEST_CASE("a scheduled problem is solved as if it were alone, whatever the rows, the chunks and who is read together") {
  const SolveOptions solve_options{.max_answer_tokens = 6, .keep_trace = true};
  TokenRows prompts = random_prompts(11);
  for (const int64_t length : {22, 25, 23, 24, 25, 22}) {  // enough alike to be read together
    prompts.push_back({});
    for (int64_t i = 0; i < length; ++i) prompts.back().push_back((i * i + length + std::ssize(prompts)) % 20);
  }
  for (const Model& model :
       {test::tiny_model(), unrotated(), hybrid({"sliding_attention", "rwkv7"}), hybrid({"log_linear"})}) {
    for (const auto& [name, procedure] : procedures()) {
      CAPTURE(name);
      std::vector<Solution> alone;
      for (const auto& prompt : prompts) alone.push_back(solve(model, procedure, {prompt}, solve_options));
      struct Setting {
        int64_t rows, chunk, prefill_rows;
      };
      for (const auto& [rows, chunk, together] :
           {Setting{1, 512, 16}, {3, 512, 1}, {4, 7, 1}, {64, 1, 1}, {4, 512, 4}, {4, 7, 3}, {64, 16, 64}}) {
        CAPTURE(rows);
        CAPTURE(together);
        const auto got =
            all_of(model, procedure, prompts,
                   {.rows = rows, .prefill_chunk = chunk, .prefill_rows = together, .solve = solve_options});
        for (size_t i = 0; i < prompts.size(); ++i) check_same(got[i], alone[i]);
      }
    }
  }
}

TEST_CASE("a beginning that all prompts share is computed once and changes nothing") {
  std::vector<int64_t> prefix;
  for (int64_t i = 0; i < 40; ++i) prefix.push_back(i * 7 % 20);
  TokenRows prompts = random_prompts(7, 5, prefix);
  prompts.push_back(prefix);  // a prompt that is nothing but the shared beginning keeps a token of its own
  const SolveOptions solve_options{.max_answer_tokens = 4, .keep_trace = true};
  for (const Model& model : {test::tiny_model(), hybrid({"rwkv7", "sliding_attention"})}) {
    for (const auto& [name, procedure] : procedures()) {
      CAPTURE(name);
      for (const auto& [shortest, together] : {std::pair{1, 1}, {1, 2}, {39, 1}, {1000, 1}}) {
        const auto got =
            all_of(model, procedure, prompts,
                   {.rows = 3, .prefill_rows = together, .shortest_prefix = shortest, .solve = solve_options});
        for (size_t i = 0; i < prompts.size(); ++i)
          check_same(got[i], solve(model, procedure, {prompts[i]}, solve_options));
      }
    }
  }
}

TEST_CASE("prompts of like length are read together, as many as may be, and each has an equal share of the time") {
  const Procedure latent = procedures().at("latent");
  const auto model = test::tiny_model();
  const auto times = [&](const TokenRows& prompts, int64_t together) {
    std::set<double> out;
    for (const Solution& one : all_of(model, latent, prompts, {.rows = 8, .prefill_rows = together}))
      out.insert(one.ms.prefill);
    return std::ssize(out);
  };
  const TokenRows alike(6, std::vector<int64_t>(30, 4));
  CHECK(times(alike, 8) == 1);
  CHECK(times(alike, 3) == 2);
  CHECK(times(alike, 1) == 6);
  TokenRows unlike = alike;
  unlike[2].resize(3);  // would be padding for the most part
  CHECK(times(unlike, 8) == 2);
}

TEST_CASE("a row that is done makes room for the next prompt") {
  // Words end at a delimiter, each chain after its own number of them: a batch that waited would keep the order.
  Procedure words = procedures().at("words");
  words.think.max_steps = 30;
  const TokenRows prompts = random_prompts(24);
  std::vector<int64_t> order, begun(24);
  const auto got = all_of(test::tiny_model(), words, prompts, {.rows = 4, .solve = {.max_answer_tokens = 3}}, &order);
  std::iota(begun.begin(), begun.end(), 0);
  std::ranges::stable_sort(begun, std::greater(), [&](int64_t i) { return prompts[i].size(); });
  CHECK(order != begun);
  CHECK(std::ranges::is_permutation(order, begun));
  for (const Solution& solution : got) {
    CHECK(solution.ms.prefill > 0);
    CHECK(solution.ms.answer > 0);
    CHECK_FALSE(solution.thoughts.trace_BKD.defined());
  }
}

TEST_CASE("an answer ends where it is complete, alone and in a running batch, with the tokens it would have had") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(10);
  const AnswerComplete complete = [](const std::vector<int64_t>& tokens) { return tokens.back() % 3 == 0; };
  for (const char* name : {"latent", "words", "direct", "parallel"}) {
    CAPTURE(name);
    Procedure procedure = procedures().at(name);
    procedure.stop_tokens = {};
    const SolveOptions free{.max_answer_tokens = 9, .keep_trace = true};
    SolveOptions ending = free;
    ending.complete = complete;
    const auto batched = all_of(model, procedure, prompts, {.rows = 4, .solve = ending});
    const Solution together = solve(model, procedure, prompts, ending);
    int64_t ended = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      CAPTURE(i);
      std::vector<int64_t> expected = solve(model, procedure, {prompts[i]}, free).answers[0].tokens;
      REQUIRE(expected.size() == 9);
      const auto last = std::ranges::find_if(expected, [](int64_t token) { return token % 3 == 0; });
      if (last != expected.end()) expected.erase(last + 1, expected.end()), ++ended;
      const Solution alone = solve(model, procedure, {prompts[i]}, ending);
      CHECK(alone.answers[0].tokens == expected);
      CHECK(together.answers[i].tokens == expected);
      CHECK_FALSE(alone.answers[0].stopped);
      check_same(batched[i], alone);
    }
    CHECK(ended > 0);
  }
}

TEST_CASE("the same call gives the same bits") {
  const auto model = test::tiny_model();
  const Procedure latent = procedures().at("latent");
  const TokenRows prompts = random_prompts(9);
  const ScheduleOptions options{.rows = 4, .solve = {.keep_trace = true}};
  const auto once = all_of(model, latent, prompts, options), again = all_of(model, latent, prompts, options);
  for (size_t i = 0; i < prompts.size(); ++i) CHECK(at::equal(once[i].thoughts.trace_BKD, again[i].thoughts.trace_BKD));
}

TEST_CASE("scheduling stops when told to, and refuses what solve refuses") {
  const auto model = test::tiny_model();
  const Procedure latent = procedures().at("latent");
  int told = 0;
  CHECK_FALSE(
      solve_all(model, latent, random_prompts(9), {.rows = 2}, [&](int64_t, const Solution&) { return ++told < 3; }));
  CHECK(told == 3);
  CHECK(solve_all(model, latent, {}, {}, [](int64_t, const Solution&) { return false; }));
  const auto nothing = [](int64_t, const Solution&) { return true; };
  CHECK(holds(error_of([&] { solve_all(model, latent, {{1}}, {.rows = 0}, nothing); }),
              "[solve] expected at least one row but got 0"));
  CHECK(holds(error_of([&] { solve_all(model, latent, {{1}}, {.prefill_rows = 0}, nothing); }),
              "at least one prompt to read at a time but got 0"));
  CHECK(holds(error_of([&] { solve_all(model, latent, {{1}}, {.prefill_chunk = 0}, nothing); }),
              "[solve] expected chunks of at least one token but got 0"));
  const std::string large = error_of([&] {
    solve_all(test::tiny_model({.max_positions = 8}), latent, {{1}, {1, 2, 3}}, {}, nothing);
  });
  CHECK(holds(large, "[solve] expected at most 8 positions (the model's) but row 1 may need 18"));
  CHECK(holds(error_of([&] {
                solve_all(model, procedures().at("bare"), {{1}, {}}, {}, nothing);
              }),
              "[solve] expected a prompt of at least one token in row 1"));
}

TEST_CASE("a thought that is not finite is refused where a running batch would consume it, by its problem's id") {
  const auto model = test::tiny_model();
  Procedure procedure = procedures().at("latent");
  procedure.think.feedback = test::breaking(2);
  const TokenRows prompts = random_prompts(4);
  int64_t solved = 0;
  const auto error = error_of([&] {
    solve_all(model, procedure, prompts, {.rows = 4}, [&](int64_t, const Solution&) { return ++solved > 0; });
  });
  CHECK(holds(error, "[think] expected feedback 'breaks' to propose finite vectors but got nan for row "));
  CHECK(holds(error, " (id 2), thought 2"));
  CHECK(solved == 0);
  procedure.think.halt = test::before_second();  // which consumes none of it
  for (const Solution& solution : all_of(model, procedure, prompts, {.rows = 4}))
    CHECK(solution.thoughts.steps == std::vector<int64_t>{1});
}

TEST_CASE("a row adopted from another session goes on as that session would") {
  const auto model = test::tiny_model();
  Session from(model, {.rows = 2, .capacity = 30}), to(model, {.rows = 3, .capacity = 30});
  from.prefill({{1, 2, 3}, {4, 5}});
  to.prefill({{6}, {7, 8, 9, 10}, {11, 12}});
  const at::Tensor before = to.hidden_BD().clone();
  to.adopt(1, from, 0);
  CHECK(to.lengths() == std::vector<int64_t>{1, 3, 2});
  CHECK(at::equal(to.hidden_BD()[1], from.hidden_BD()[0]));
  CHECK(at::equal(to.hidden_BD()[0], before[0]));
  CHECK(at::equal(to.hidden_BD()[2], before[2]));
  to.feed({13, 14});
  from.feed({13, 14});
  CHECK(at::allclose(to.hidden_BD()[1], from.hidden_BD()[0], 0, 1e-5));
  CHECK(holds(error_of([&] { to.adopt(3, from, 0); }), "[adopt] expected a row of 0 to 2 but got 3"));
  CHECK(holds(error_of([&] { to.adopt(0, from, 2); }), "[adopt] expected a row of 0 to 1 but got 2"));
  Session longer(model, {.rows = 1, .capacity = 31});
  CHECK(
      holds(error_of([&] { to.adopt(0, longer, 0); }), "[adopt] expected memories of one capacity but got 30 and 31"));
  Session other(test::tiny_model({.seed = 2}), {.rows = 1, .capacity = 30});
  CHECK(holds(error_of([&] { to.adopt(0, other, 0); }), "[adopt] expected a session over the same model"));
}

}  // namespace
}  // namespace tacit
