#include <doctest/doctest.h>

#include "latent/methods/swi_rule.h"
#include "lib/core/error.h"
#include "tests/latent/procedure_checks.h"

using namespace tacit;
using tacit::test::SmallWorld;

namespace {

Procedure swi(const SmallWorld& world, const Json& options = Json::object()) {
  return bind_method(method("swi"), world.settings, world.tokenizer.get(), -1, kNoMethodWeights, options);
}

struct Chain {
  std::string modes;  // L or W, by step that is taken
  int64_t length = 0;
};

// The rule over a whole sequence of entropies, from its description: the first step is latent; a latent block ends with
// the first entropy below that at its start, a block of words with the first above, provided that it has lasted for the
// window; the block that begins takes that entropy as its own. A chain that has left `cap` latent blocks takes one more
// step.
Chain restated(const std::vector<double>& entropies, int64_t window, int64_t cap) {
  Chain out;
  bool latent = true;
  size_t start = 0;
  int64_t left = 0;
  for (size_t t = 0; t < entropies.size(); ++t) {
    bool ends = false;
    if (latent && t > start && entropies[t] < entropies[start]) {
      latent = false;
      start = t;
      ends = ++left == cap;
    } else if (!latent && entropies[t] > entropies[start] && static_cast<int64_t>(t - start) >= window) {
      latent = true;
      start = t;
    }
    out.modes += latent ? 'L' : 'W';
    ++out.length;
    if (ends) break;
  }
  return out;
}

}  // namespace

TEST_CASE("the switch rule is its description on random entropies") {
  Rng rng(1);
  int64_t turned = 0, ended = 0;
  for (int64_t trial = 0; trial < 300; ++trial) {
    const int64_t window = rng.between(0, 6), cap = trial % 2 == 0 ? -1 : rng.between(1, 4);
    std::vector<double> entropies;
    for (int64_t t = 0; t < 40; ++t) entropies.push_back(3 * rng.uniform());
    const Chain expected = restated(entropies, window, cap);
    SwiState state;
    const SwiRule rule{.window = window, .max_blocks = cap};
    Chain got;
    for (const double entropy : entropies) {
      const SwiTurn turn = swi_step(state, entropy, rule);
      turned += turn != SwiTurn::none;
      got.modes += state.words ? 'W' : 'L';
      ++got.length;
      if (swi_ends(state, turn, rule)) break;
    }
    CHECK(got.modes == expected.modes);
    CHECK(got.length == expected.length);
    ended += got.length < 40;
  }
  CHECK(turned > 1000);
  CHECK(ended > 50);
}

TEST_CASE("without latent blocks swi is greedy chain of thought") {
  const SmallWorld world;
  const TokenRows prompts = test::some_prompts(12, 18);
  const SolveOptions options{.max_answer_tokens = 3, .keep_trace = true};
  const Solution cot =
      solve(world.model, bind_method(method("cot"), world.settings, world.tokenizer.get()), prompts, options);
  const Solution words = solve(world.model, swi(world, {{"max_switches", 0}}), prompts, options);
  CHECK(words.thoughts.tokens == cot.thoughts.tokens);
  CHECK(at::equal(words.thoughts.trace_BKD, cot.thoughts.trace_BKD));
  for (size_t b = 0; b < prompts.size(); ++b) CHECK(words.answers[b].tokens == cot.answers[b].tokens);
}

TEST_CASE("inputs by mode: the mean embedding, the token, and at a switch a step towards the marker of what begins") {
  const SmallWorld world;
  const auto decided = test::decided(*world.model);
  const Transformer& model = *decided;
  const double alpha = 0.6, beta = 0.7;
  const Procedure procedure = swi(world, {{"window", 1}, {"alpha", alpha}, {"beta", beta}});
  int64_t latent = 0, words = 0, to_latent = 0, to_words = 0;
  for (const auto& prompt : test::some_prompts(20, 18)) {
    Session session(decided, {.rows = 1, .capacity = 60});
    session.prefill(with_suffix(procedure, {prompt}));
    ThinkOptions one = procedure.think;
    one.max_steps = 1;
    one.keep_trace = true;
    bool is_latent = true;
    double reference = 0;
    int64_t since = 0;
    for (int64_t t = 0; t < 9; ++t) {
      const at::Tensor p = at::softmax(session.logits_BV()[0], -1);
      const double entropy = -(p * p.clamp_min(1e-30).log()).sum().item<double>();
      at::Tensor soft = at::zeros({model.config().hidden_size});
      for (int64_t v = 0; v < 18; ++v) soft += p[v] * test::embedding_of(model, v);
      const auto marker = [&](const char* word) { return test::embedding_of(model, world.id(word)); };
      const double passed = static_cast<double>(t) / 9;
      at::Tensor expected = is_latent ? soft : test::embedding_of(model, p.argmax().item<int64_t>());
      ++since;
      if (t == 0) {
        reference = entropy;
        ++latent;
      } else if (is_latent && entropy < reference) {
        const double share = beta + (1 - beta) * passed;
        expected = share * soft + (1 - share) * marker("[A]");
        is_latent = false, reference = entropy, since = 0, ++to_words;
      } else if (!is_latent && entropy > reference && since >= 1) {
        const double share = alpha + (1 - alpha) * passed;
        expected = share * soft + (1 - share) * marker("[T]");
        is_latent = true, reference = entropy, since = 0, ++to_latent;
      } else {
        ++(is_latent ? latent : words);
      }
      const Thoughts thought = session.think(one);
      if (thought.steps[0] == 0) break;
      CHECK(at::allclose(thought.trace_BKD[0][0], expected, 1e-4, 1e-3));
    }
  }
  // Every case has been seen.
  CHECK(latent > 3);
  CHECK(words > 3);
  CHECK(to_latent > 3);
  CHECK(to_words > 3);
}

TEST_CASE("swi's thoughts are a row's own; a cap ends the chain one step after the last latent block") {
  const SmallWorld world;
  const TokenRows prompts = test::some_prompts(8, 18);
  const auto model = test::decided(*world.model);
  const auto steps = [&](const Json& options) {
    INFO(options.dump());
    return test::check_procedure(model, swi(world, options), prompts);
  };
  const std::vector<int64_t> capped = steps({{"window", 1}, {"max_switches", 1}}), free = steps({{"window", 1}});
  CHECK(capped != free);
  for (size_t b = 0; b < prompts.size(); ++b) CHECK(capped[b] <= free[b]);
}

TEST_CASE("swi's options are refused by name") {
  const SmallWorld world;
  CHECK_THROWS_WITH_AS(swi(world, {{"beta", 1.5}}), doctest::Contains("'beta' to lie in 0..1"), Error);
  CHECK_THROWS_WITH_AS(swi(world, {{"max_switches", -2}}), doctest::Contains("'max_switches' to be at least -1"),
                       Error);
  CHECK_THROWS_WITH_AS(swi(world, {{"window", -1}}), doctest::Contains("'window' to be at least 0"), Error);
}
