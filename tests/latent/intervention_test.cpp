#include "latent/intervention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "decoding/scheduler.h"
#include "lib/core/error.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

const TokenRows kIntervenedPrompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}, {2, 2}, {1, 2, 3}};
constexpr int64_t kSteps = 5;

Procedure latent(int64_t steps = kSteps) {
  Procedure p;
  p.method = "latent";
  p.think = {.max_steps = steps, .halt = halt::fixed(steps)};
  p.answer_marker = {18};
  return p;
}

// Three positions, of which each is fed what the iteration before gave at the one before it.
Procedure parallel_procedure(const Transformer& model) {
  Procedure p = latent();
  p.think = {.max_steps = 0};
  p.parallel = ParallelThinkOptions{.name = "jacobi",
                                    .positions = 3,
                                    .iterations = 2,
                                    .inputs = parallel::jacobi(at::zeros({model.config().hidden_size}))};
  return p;
}

Solution solved(const std::shared_ptr<const Transformer>& model, const Procedure& p,
                const TokenRows& rows = kIntervenedPrompts) {
  return solve(model, p, rows, {.max_answer_tokens = 4, .keep_trace = true});
}

// A chain of words that ends by itself, at different lengths: before the token that makes them differ most.
Procedure words(const std::shared_ptr<const Transformer>& model) {
  Procedure p = latent(9);
  p.in_words = true;
  p.think.feedback = feedback::embed_argmax();
  p.think.halt = halt::never();
  const auto chains = solved(model, p).thoughts.tokens;
  size_t most = 0;
  for (int64_t token = 0; token < 20; ++token) {
    std::set<int64_t> lengths;
    for (const auto& chain : chains) lengths.insert(std::ranges::find(chain, token) - chain.begin());
    if (lengths.contains(0) || lengths.size() <= most) continue;
    most = lengths.size();
    p.think.halt = halt::delimiter(token);
  }
  REQUIRE(most >= 2);
  return p;
}

std::shared_ptr<ThoughtBank> bank_of(const Solution& solution) {
  auto bank = std::make_shared<ThoughtBank>();
  for (size_t b = 0; b < solution.answers.size(); ++b) {
    bank->thoughts_KD.push_back(solution.thoughts.trace_BKD[b].narrow(0, 0, solution.thoughts.steps[b]));
    bank->tokens.push_back(solution.thoughts.tokens[b]);
  }
  return bank;
}

struct Changed {
  Solution clean, changed;
  std::shared_ptr<ThoughtBank> bank;
  at::Tensor own(int64_t b) const { return clean.thoughts.trace_BKD[b]; }
  at::Tensor fed(int64_t b) const { return changed.thoughts.trace_BKD[b]; }
};

Changed change(const std::shared_ptr<const Transformer>& model, const Procedure& p, const std::string& what,
               uint64_t seed = 3, const TokenRows& rows = kIntervenedPrompts) {
  Changed out{.clean = solved(model, p, rows)};
  out.bank = bank_of(out.clean);
  out.changed = solved(model, intervene(p, parse_intervention(what, seed), out.bank), rows);
  return out;
}

double relative_distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm().clamp_min(1e-30)).item<double>();
}

bool same_answers(const Solution& a, const Solution& b) {
  for (size_t i = 0; i < a.answers.size(); ++i) {
    if (a.answers[i].tokens != b.answers[i].tokens) return false;
  }
  return a.answers.size() == b.answers.size();
}

void check_unchanged(const Changed& c) {
  CHECK(c.changed.thoughts.steps == c.clean.thoughts.steps);
  CHECK(c.changed.thoughts.tokens == c.clean.thoughts.tokens);
  CHECK(same_answers(c.changed, c.clean));
  for (int64_t b = 0; b < std::ssize(c.clean.thoughts.steps); ++b) {
    const int64_t steps = c.clean.thoughts.steps[b];
    if (steps > 0) CHECK(relative_distance(c.fed(b).narrow(0, 0, steps), c.own(b).narrow(0, 0, steps)) < 2e-5);
  }
}

}  // namespace

TEST_CASE("interventions that leave the thoughts as they are change nothing") {
  const auto model = test::tiny_model();
  for (const Procedure& p : {latent(), words(model), parallel_procedure(*model)}) {
    for (const char* what : {"perturb:0", "truncate:9", "freeze:9"}) {
      CAPTURE(what);
      check_unchanged(change(model, p, what));
    }
    check_unchanged(change(model, p, "swap", 3, TokenRows(4, {5, 6, 7})));  // equal problems
  }
  check_unchanged(change(model, latent(), "freeze:5"));
  check_unchanged(change(model, latent(), "truncate:5"));
  check_unchanged(change(model, latent(1), "permute"));  // one thought has one order
  Procedure pause = latent();
  pause.think.feedback = feedback::token(4);
  for (const char* what : {"swap", "permute", "mean", "freeze:1"}) check_unchanged(change(model, pause, what));
}

TEST_CASE("what is fed is what the kind says, thought by thought") {
  const auto model = test::tiny_model();
  for (const Procedure& p : {latent(), parallel_procedure(*model)}) {
    const int64_t K = p.max_thoughts(), D = model->config().hidden_size;
    const auto all = std::vector<int64_t>(kIntervenedPrompts.size(), K);
    const auto partner = swap_partners(all, 3);
    const Changed zero = change(model, p, "zero"), mean = change(model, p, "mean"), swap = change(model, p, "swap"),
                  permute = change(model, p, "permute"), freeze = change(model, p, "freeze:2"),
                  cut = change(model, p, "truncate:2");
    const at::Tensor mean_KD = zero.clean.thoughts.trace_BKD.mean(0);
    for (int64_t b = 0; b < std::ssize(kIntervenedPrompts); ++b) {
      CHECK(zero.fed(b).abs().max().item<double>() == 0);
      CHECK(relative_distance(mean.fed(b), mean_KD) < 1e-6);
      CHECK(at::equal(swap.fed(b), swap.own(partner[b])));
      std::set<int64_t> used;
      for (int64_t k = 0; k < K; ++k) {
        for (int64_t j = 0; j < K; ++j) {
          if (at::equal(permute.fed(b)[k], permute.own(b)[j])) used.insert(j);
        }
        const at::Tensor kept = k < 2 ? freeze.fed(b)[k] : freeze.fed(b)[1];
        CHECK(at::equal(freeze.fed(b)[k], kept));
      }
      CHECK(std::ssize(used) == K);
      CHECK_FALSE(at::equal(permute.fed(b), permute.own(b)));
      CHECK(relative_distance(freeze.fed(b).narrow(0, 0, 2), freeze.own(b).narrow(0, 0, 2)) < 2e-5);
      CHECK(cut.changed.thoughts.steps[b] == 2);
      CHECK(relative_distance(cut.fed(b).narrow(0, 0, 2), cut.own(b).narrow(0, 0, 2)) < 2e-5);
    }
    CHECK(zero.fed(0).sizes() == at::IntArrayRef({K, D}));
  }
}

TEST_CASE("noise is as long as the vector that it replaces, a perturbation as large as asked") {
  const auto model = test::tiny_model({.hidden_size = 256});
  const Procedure p = latent(1);  // one thought: what is proposed is the clean one
  const Changed noise = change(model, p, "noise"), small = change(model, p, "perturb:0.25");
  for (int64_t b = 0; b < std::ssize(kIntervenedPrompts); ++b) {
    const at::Tensor own = noise.own(b)[0], other = noise.fed(b)[0];
    CHECK(other.norm().item<double>() == doctest::Approx(own.norm().item<double>()).epsilon(1e-5));
    CHECK(std::abs((own.dot(other) / own.dot(own)).item<double>()) < 0.35);  // 5.6 deviations of 1 / sqrt(256)
    CHECK(relative_distance(small.fed(b)[0], own) == doctest::Approx(0.25).epsilon(0.25));
  }
  CHECK_FALSE(at::equal(noise.fed(0), noise.fed(4)));  // the same question, another problem
  CHECK_FALSE(at::equal(noise.fed(0), change(model, p, "noise", 4).fed(0)));
  CHECK(at::equal(noise.fed(0), change(model, p, "noise").fed(0)));
}

TEST_CASE("a chain in words: another one's words are fed, and their number ends it") {
  const auto model = test::tiny_model();
  const Changed swap = change(model, words(model), "swap");
  const std::vector<int64_t>& steps = swap.clean.thoughts.steps;
  const auto partner = swap_partners(steps, 3);
  bool lengths_differ = false;
  for (int64_t b = 0; b < std::ssize(kIntervenedPrompts); ++b) {
    lengths_differ = lengths_differ || steps[b] != steps[0];
    CHECK(swap.changed.thoughts.steps[b] == steps[partner[b]]);
    CHECK(swap.changed.thoughts.tokens[b] == swap.clean.thoughts.tokens[partner[b]]);
    CHECK(at::equal(swap.fed(b).narrow(0, 0, steps[partner[b]]), swap.bank->thoughts_KD[partner[b]]));
  }
  CHECK(lengths_differ);
  const Changed zero = change(model, words(model), "zero");  // the words are those that the model would write
  CHECK(zero.fed(0).abs().max().item<double>() == 0);
  CHECK(std::ssize(zero.changed.thoughts.tokens[0]) == zero.changed.thoughts.steps[0]);
}

TEST_CASE("partners: everybody is another's, nobody its own, of as many thoughts where there is one") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const std::vector<int64_t>& thoughts :
         {std::vector<int64_t>{3, 3}, {1, 2}, {4, 4, 2, 4, 2}, {1, 2, 2, 3, 3, 3}, {1, 2, 3}, {5, 1, 1, 1, 9}}) {
      const std::vector<int64_t> partner = swap_partners(thoughts, seed);
      std::set<int64_t> taken(partner.begin(), partner.end());
      CHECK(taken.size() == thoughts.size());
      for (size_t i = 0; i < partner.size(); ++i) CHECK(partner[i] != static_cast<int64_t>(i));
    }
    const std::vector<int64_t> two = {4, 4, 2, 4, 2};
    for (size_t i = 0; i < two.size(); ++i) CHECK(two[swap_partners(two, seed)[i]] == two[i]);
  }
  CHECK(swap_partners(std::vector<int64_t>(50, 1), 1) != swap_partners(std::vector<int64_t>(50, 1), 2));
}

TEST_CASE("a problem is fed the same in any batch, under any name order, and however thinking is cut into calls") {
  const auto model = test::tiny_model();
  const std::vector<int64_t> ids = {3, 0, 4, 1, 2};
  TokenRows shuffled;
  for (const int64_t id : ids) shuffled.push_back(kIntervenedPrompts[id]);
  for (const char* what : {"zero", "mean", "noise", "swap", "permute", "truncate:2", "freeze:2", "perturb:0.5"}) {
    CAPTURE(what);
    for (const Procedure& p : {latent(), words(model)}) {
      const Changed together = change(model, p, what);
      const Procedure changed = intervene(p, parse_intervention(what, 3), together.bank);
      for (const int64_t rows : {1, 2, 5}) {
        solve_all(model, changed, shuffled,
                  {.rows = rows, .solve = {.max_answer_tokens = 4, .keep_trace = true, .ids = ids}},
                  [&](int64_t n, const Solution& got) {
                    const int64_t id = ids[n], steps = together.changed.thoughts.steps[id];
                    CHECK(got.thoughts.steps[0] == steps);
                    CHECK(got.thoughts.tokens[0] == together.changed.thoughts.tokens[id]);
                    CHECK(got.answers[0].tokens == together.changed.answers[id].tokens);
                    if (steps > 0)
                      CHECK(relative_distance(got.thoughts.trace_BKD[0] + 1, together.fed(id).narrow(0, 0, steps) + 1) <
                            2e-5);
                    return true;
                  });
      }
      Session one(model, {.rows = 1, .capacity = 64});
      one.prefill({kIntervenedPrompts[2]});
      one.name_rows(std::vector<int64_t>{2});
      ThinkOptions single = changed.think;
      single.max_steps = 1;
      single.keep_trace = true;
      int64_t taken = 0;
      const int64_t bound = changed.think.max_steps;
      for (; taken < bound; ++taken) {
        const Thoughts thought = one.think(single);
        if (thought.steps[0] == 0) break;
        CHECK(relative_distance(thought.trace_BKD[0][0] + 1, together.fed(2)[taken] + 1) < 2e-5);
      }
      CHECK(taken == together.changed.thoughts.steps[2]);
    }
  }
}

// Blocks that add nothing, embeddings and unembedding a unit vector a token: where a row stands decides what follows,
// so the thought, which is the question's last token, decides the answer: the token 3 above it.
TEST_CASE("an answer that only the thought carries: replaced by zeros it goes, swapped it follows its new owner") {
  constexpr int64_t V = 20;
  const auto random = test::tiny_model({.vocab_size = V, .hidden_size = V});
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, weight] : random->weights())
    weights[name] = weight.dim() >= 2 ? at::zeros_like(weight) : weight;
  weights["embedding"] = at::eye(V);
  weights["unembedding"] = at::eye(V).roll({3}, {0});
  const auto model = std::make_shared<const Transformer>(random->config(), weights);
  Procedure p = latent(2);
  p.answer_marker.clear();
  const TokenRows questions = {{1, 5}, {2, 9}, {3, 11}};
  const auto answers = [&](const std::string& what) {
    const Changed c = change(model, p, what, 1, questions);
    std::vector<int64_t> out;
    for (const Decoded& answer : c.changed.answers) out.push_back(answer.tokens[0]);
    return out;
  };
  CHECK(answers("perturb:0") == std::vector<int64_t>{8, 12, 14});
  CHECK(answers("zero") == std::vector<int64_t>{0, 0, 0});  // all logits are 0: the lowest id
  const auto partner = swap_partners({2, 2, 2}, 1);
  const std::vector<int64_t> right = {8, 12, 14};
  CHECK(answers("swap") == std::vector<int64_t>{right[partner[0]], right[partner[1]], right[partner[2]]});
  CHECK(answers("truncate:0") == right);  // the question itself ends where the answer is read
}

TEST_CASE("interventions that cannot be are refused") {
  const auto message = [](const std::string& text) {
    try {
      parse_intervention(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  for (const char* text : {"", "zeros", "zero:1", "truncate", "truncate:-1", "truncate:1.5", "freeze:0",
                           "freeze:", "perturb", "perturb:-1", "perturb:nan", "perturb:1x", "swap:"}) {
    CAPTURE(text);
    CHECK(message(text).starts_with("[intervene] expected"));
    CHECK(message(text).find("but got '" + std::string(text) + "'") != std::string::npos);
  }
  CHECK(message("zeros").find("did you mean 'zero'?") != std::string::npos);
  for (const char* text : {"zero", "mean", "noise", "swap", "permute", "truncate:0", "freeze:3", "perturb:0.5"})
    CHECK(to_text(parse_intervention(text)) == text);

  const auto model = test::tiny_model();
  CHECK_THROWS_WITH_AS(intervene(latent(0), {}), doctest::Contains("expected a method that takes thoughts"), Error);
  CHECK_THROWS_WITH_AS(intervene(latent(), parse_intervention("swap")), doctest::Contains("clean thoughts"), Error);
  CHECK_THROWS_WITH_AS(change(model, latent(), "swap", 0, {{1, 2}}), doctest::Contains("at least 2 problems"), Error);
  const Changed few = change(model, latent(), "swap", 0, {{1, 2}, {3}});
  CHECK_THROWS_WITH_AS(solved(model, intervene(latent(), parse_intervention("swap"), few.bank)),
                       doctest::Contains("expected rows called 0 to 1"), Error);
}
