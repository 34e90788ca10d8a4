#include "decoding/strategy.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "decoding/drawn_thoughts.h"
#include "decoding/scheduler.h"
#include "lib/model/checkpoint.h"
#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

TEST_CASE("a strategy is read from text and written back") {
  const Strategy vote = parse_strategy("vote:8,temperature=.7,top-k=5,top-p=0.9,min-p=.05");
  CHECK(vote.kind == StrategyKind::vote);
  CHECK(vote.samples == 8);
  CHECK(vote.sampling.temperature == .7);
  CHECK(vote.sampling.top_k == 5);
  CHECK(vote.sampling.top_p == .9);
  CHECK(vote.sampling.min_p == .05);
  CHECK(parse_strategy("vote:8").sampling.temperature == 1);
  CHECK(parse_strategy("vote:8,noise=.1").sampling.temperature == 0);
  CHECK(parse_strategy("vote:8,noise=.1,temperature=1").sampling.temperature == 1);
  CHECK(parse_strategy("best:3,by=sum").likelihood == Likelihood::sum);
  CHECK(parse_strategy("tree:width=3,branch=4,expand=tokens,by=entropy").tree.value ==
        ThoughtSearchOptions::Value::entropy);
  CHECK(parse_strategy("contrast:weight=2,thoughts=1").contrast.thoughts == 1);
  const std::map<std::string, std::string> written = {
      {"greedy", "greedy"},
      {"sample", "sample"},
      {"sample:temperature=1,top-p=1", "sample"},
      {"sample:temperature=.7", "sample:temperature=0.7"},
      {"noise:.1", "noise:0.1"},
      {"beam:4", "beam:4"},
      {"beam:2,length-penalty=0", "beam:2,length-penalty=0"},
      {"vote:8,noise=.1", "vote:8,noise=0.1"},
      {"vote:8,noise=.1,temperature=1", "vote:8,temperature=1,noise=0.1"},
      {"best:3,by=sum", "best:3,by=sum"},
      {"tree", "tree"},
      {"tree:expand=tokens,by=entropy,width=2", "tree:width=2,expand=tokens,by=entropy"},
      {"contrast:thoughts=2", "contrast:thoughts=2"}};
  for (const auto& [given, text] : written) {
    CHECK(to_text(parse_strategy(given)) == text);
    CHECK(to_text(parse_strategy(text)) == text);
  }
}

TEST_CASE("what is no strategy is refused with the form that was expected") {
  const std::map<std::string, std::string> errors = {
      {"", "[decode] expected one of greedy, sample, noise:SIZE, beam:N, vote:N, best:N, tree, contrast but got ''"},
      {"votes:3", "did you mean 'vote'?"},
      {"vote", "expected 'vote:N' but got 'vote'"},
      {"vote:temperature=1", "expected 'vote:N'"},
      {"vote:0", "expected 'samples' to be a whole number from 1 to 256 but got '0'"},
      {"vote:2.5", "whole number"},
      {"vote:8,temprature=1", "did you mean 'temperature'?"},
      {"vote:8,temperature=1,temperature=2", "each once"},
      {"vote:8,", "NAME=VALUE"},
      {"sample:top-p=0", "'top-p'"},
      {"sample:temperature=nan", "'temperature'"},
      {"greedy:3", "expected 'greedy' alone, which has no settings"},
      {"greedy,temperature=1", "as 'sample:temperature=1'), but got 'greedy,temperature=1'"},
      {"sample,top-k=3", "expected ':' behind 'sample', as 'sample:NAME=VALUE', but got 'sample,top-k=3'"},
      {"vote,4", "expected ':' behind 'vote', as 'vote:N', but got 'vote,4'"},
      {"best:2,by=max", "expected 'by' to be mean or sum but got 'max'"},
      {"noise:-1", "'noise' to be a number from 0"},
      {"beam:0", "from 1"}};
  for (const auto& [given, message] : errors) {
    CAPTURE(given);
    const std::string error = error_of([&] { parse_strategy(given); });
    CAPTURE(error);
    CHECK(holds(error, message));
  }
}

TEST_CASE("a strategy that a method cannot follow is refused") {
  const auto model = test::tiny_model();
  const auto error = [&](const char* strategy, const char* procedure) {
    SolveOptions options{.max_answer_tokens = 3, .strategy = parse_strategy(strategy)};
    Procedure of = procedures().at(procedure);
    of.in_words = std::string(procedure) == "words";
    return error_of([&] { solve(model, of, {{1, 2}}, options); });
  };
  CHECK(holds(error("noise:.1", "words"), "[decode] expected a method that thinks in vectors for 'noise:0.1'"));
  CHECK(holds(error("vote:2,noise=.1", "direct"), "thinks in vectors"));
  CHECK(holds(error("tree", "parallel"), "takes one vector after the other"));
  CHECK(holds(error("contrast", "direct"), "takes thoughts"));
  Procedure own = procedures().at("words");
  own.in_words = true;
  own.think.feedback.name = "own rule";
  own.method = "own";
  const auto of_own = [&](const char* strategy) {
    SolveOptions options{.max_answer_tokens = 3, .strategy = parse_strategy(strategy)};
    return error_of([&] { solve(model, own, {{1, 2}}, options); });
  };
  for (const char* drawn : {"sample", "vote:3", "best:3"}) {
    CHECK(holds(of_own(drawn), "expected a method that writes the likeliest word, so that words can be drawn"));
    CHECK(holds(of_own(drawn), "but got 'own', which chooses them by a rule of its own"));
  }
  CHECK(of_own("vote:3,temperature=0").empty());
  CHECK(of_own("beam:2").empty());
  SolveOptions options{.strategy = parse_strategy("vote:2")};
  CHECK(holds(error_of([&] {
                solve(model, procedures().at("latent"), {{1}, {2}}, options);
              }),
              "[solve] expected one prompt at a time for 'vote:2' but got 2"));
}

TEST_CASE("most samples decide; of equals the answer that came first") {
  const auto winner = [](const std::vector<std::string>& answers) { return majority(answers); };
  CHECK(winner({"a", "b", "b"}) == 1);
  CHECK(winner({"b", "a", "a", "b"}) == 0);
  CHECK(winner({"c", "a", "b", "b", "a"}) == 1);
  CHECK(winner({"", "", "a"}) == 2);
  CHECK(winner({"", ""}) == 0);
  const auto as_numbers = [](const std::string& a, const std::string& b) { return std::stod(a) == std::stod(b); };
  const std::vector<std::string> sums = {"8", "72", "8", "72.0", "72.00", ""};
  CHECK(winner(sums) == 0);
  CHECK(majority(sums, as_numbers) == 1);
  const std::vector<AnswerVotes> counted = count_votes(sums, as_numbers);
  REQUIRE(counted.size() == 2);
  CHECK(counted[0].answer == "8");
  CHECK(counted[0].votes == 2);
  CHECK(counted[1].answer == "72");
  CHECK(counted[1].votes == 3);
  CHECK(holds(error_of([&] { winner({}); }), "[vote] expected at least one sample"));
  CHECK(best_of(std::vector<double>{1, 3, 3, 2}) == 1);
  CHECK(best_of(std::vector<double>{NAN, -5, NAN}) == 1);
  CHECK(best_of(std::vector<double>{-INFINITY, -INFINITY}) == 0);
  CHECK(likelihood(std::vector<double>{-1, -2, -6}, Likelihood::mean) == -3);
  CHECK(likelihood(std::vector<double>{-1, -2, -6}, Likelihood::sum) == -9);
  CHECK(likelihood({}, Likelihood::sum) == -INFINITY);
}

// Samples one by one, each by a call of its own.
std::vector<Solution> samples_of(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                                 const std::vector<int64_t>& prompt, int64_t id, const Strategy& strategy,
                                 int64_t count, uint64_t seed) {
  std::vector<Solution> out;
  for (int64_t s = 0; s < count; ++s) {
    SolveOptions options{.max_answer_tokens = 4, .keep_trace = true, .ids = {sample_id(id, s)}};
    options.strategy = {.kind = StrategyKind::sample, .sampling = strategy.sampling, .noise = strategy.noise};
    options.seed = seed;
    out.push_back(solve(model, procedure, {prompt}, options));
  }
  return out;
}

// log p of words and answer, from scoring the whole text at once.
std::vector<double> scored(const std::shared_ptr<const Transformer>& model, const Procedure& procedure,
                           std::vector<int64_t> prompt, const Solution& solution) {
  Session session(model, {.rows = 1, .capacity = 128});
  prompt.insert(prompt.end(), procedure.prompt_suffix.begin(), procedure.prompt_suffix.end());
  session.prefill({prompt});
  std::vector<double> out;
  const auto read = [&](int64_t token) {
    out.push_back(at::log_softmax(session.logits_BV()[0].to(at::kDouble), -1)[token].item<double>());
  };
  const Thoughts& thoughts = solution.thoughts;
  if (procedure.in_words) {
    for (const int64_t word : thoughts.tokens[0]) read(word), session.feed({word});
    if (thoughts.halted[0]) read(5);  // the delimiter
  } else {
    session.feed_vectors(thoughts.trace_BKD);
  }
  session.feed(procedure.answer_marker);
  for (const int64_t token : solution.answers[0].tokens) read(token), session.feed({token});
  if (solution.answers[0].stopped) read(procedure.stop_tokens.ids()[0]);
  return out;
}

Procedure writing() {
  Procedure words = procedures().at("words");
  words.in_words = true;
  return words;
}

TEST_CASE("a vote takes the answer of most samples, each drawn as if it were alone") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(6);
  for (const char* text : {"vote:7,temperature=1.5", "vote:5,noise=2", "vote:6,noise=1,temperature=.8"}) {
    for (const bool in_words : {false, true}) {
      const Strategy strategy = parse_strategy(text);
      if (in_words && strategy.noise > 0) continue;
      const Procedure procedure = in_words ? writing() : procedures().at("latent");
      for (int64_t id = 0; id < 6; ++id) {
        CAPTURE(text);
        CAPTURE(id);
        SolveOptions options{.max_answer_tokens = 4, .keep_trace = true, .ids = {id}, .strategy = strategy, .seed = 3};
        options.extract = [&](int64_t of, const std::vector<int64_t>& tokens) {
          CHECK(of == id);
          return tokens.empty() ? "" : std::to_string(tokens[0] % 3);
        };
        const Solution voted = solve(model, procedure, {prompts[id]}, options);
        const auto samples = samples_of(model, procedure, prompts[id], id, strategy, strategy.samples, 3);
        std::vector<std::string> answers;
        int64_t thoughts = 0, tokens = 0;
        for (const Solution& sample : samples) {
          answers.push_back(options.extract(id, sample.answers[0].tokens));
          thoughts += sample.thoughts.steps[0];
          tokens += std::ssize(sample.answers[0].tokens);
        }
        const Solution& expected = samples[majority(answers)];
        CHECK(voted.answers[0].tokens == expected.answers[0].tokens);
        CHECK(voted.thoughts.tokens[0] == expected.thoughts.tokens[0]);
        CHECK(at::allclose(voted.thoughts.trace_BKD, expected.thoughts.trace_BKD, 0, 1e-4));
        CHECK(voted.work->thoughts == thoughts);
        CHECK(voted.work->tokens == tokens);
      }
    }
  }
}

TEST_CASE("samples that a scorer calls equal share their votes") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(8);
  const Strategy strategy = parse_strategy("vote:9,temperature=2");
  const auto same = [](const std::string& a, const std::string& b) { return std::stoi(a) % 3 == std::stoi(b) % 3; };
  int64_t moved = 0;
  for (int64_t id = 0; id < 8; ++id) {
    SolveOptions options{.max_answer_tokens = 1, .ids = {id}, .strategy = strategy, .seed = 5};
    options.extract = [](int64_t, const std::vector<int64_t>& tokens) {
      return tokens.empty() ? "" : std::to_string(tokens[0]);
    };
    options.same = same;
    std::vector<std::string> grouped, texts;
    const auto samples = samples_of(model, procedures().at("latent"), prompts[id], id, strategy, 9, 5);
    for (const Solution& sample : samples) {
      texts.push_back(options.extract(id, sample.answers[0].tokens));
      grouped.push_back(texts.back().empty() ? "" : std::to_string(std::stoi(texts.back()) % 3));
    }
    const Solution voted = solve(model, procedures().at("latent"), {prompts[id]}, options);
    CHECK(options.extract(id, voted.answers[0].tokens) == texts[majority(grouped)]);
    moved += texts[majority(grouped)] != texts[majority(texts)];
  }
  CHECK(moved > 0);
}

TEST_CASE("every strategy ends an answer where it is complete") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(6);
  const AnswerComplete complete = [](const std::vector<int64_t>& tokens) { return tokens.back() % 2 == 0; };
  Procedure procedure = procedures().at("latent");
  procedure.stop_tokens = {};
  for (const char* text : {"greedy", "sample:temperature=1.5", "beam:3", "vote:3,temperature=1.5",
                           "best:3,temperature=1.5", "tree", "tree:by=entropy", "contrast"}) {
    CAPTURE(text);
    int64_t ended = 0;
    for (int64_t id = 0; id < 6; ++id) {
      CAPTURE(id);
      SolveOptions options{.max_answer_tokens = 7, .ids = {id}, .strategy = parse_strategy(text), .seed = 3};
      const std::vector<int64_t> free = solve(model, procedure, {prompts[id]}, options).answers[0].tokens;
      options.complete = complete;
      const Solution solution = solve(model, procedure, {prompts[id]}, options);
      const std::vector<int64_t>& tokens = solution.answers[0].tokens;
      const auto first = std::ranges::find_if(tokens, [](int64_t token) { return token % 2 == 0; });
      CHECK(std::ssize(tokens) == (first == tokens.end() ? 7 : first - tokens.begin() + 1));
      ended += tokens.size() < 7;
      if (std::string(text) == "contrast" || std::string(text) == "greedy" || std::string(text) == "tree:by=entropy")
        CHECK(std::ranges::equal(tokens, std::vector(free.begin(), free.begin() + std::ssize(tokens))));
      if (std::string(text) == "contrast") CHECK(solution.work->tokens == 2 * std::ssize(tokens));
      if (std::string(text) == "tree:by=entropy") CHECK(solution.work->tokens == std::ssize(tokens));
    }
    CHECK(ended > 0);
  }
}

TEST_CASE("the best of several is the likeliest, or the one that a scorer prefers") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(5, 12);
  for (const char* text : {"best:6,temperature=1.5", "best:6,temperature=1.5,by=sum", "best:4,noise=2"}) {
    for (const bool in_words : {false, true}) {
      const Strategy strategy = parse_strategy(text);
      if (in_words && strategy.noise > 0) continue;
      const Procedure procedure = in_words ? writing() : procedures().at("latent");
      for (int64_t id = 0; id < 5; ++id) {
        CAPTURE(text);
        CAPTURE(id);
        SolveOptions options{.max_answer_tokens = 4, .ids = {id}, .strategy = strategy, .seed = 4};
        const auto samples = samples_of(model, procedure, prompts[id], id, strategy, strategy.samples, 4);
        std::vector<double> scores, by_token;
        for (const Solution& sample : samples) {
          scores.push_back(likelihood(scored(model, procedure, prompts[id], sample), strategy.likelihood));
          const auto& tokens = sample.answers[0].tokens;
          by_token.push_back(tokens.empty() ? -1 : static_cast<double>(tokens[0]));
        }
        const Solution best = solve(model, procedure, {prompts[id]}, options);
        CHECK(best.answers[0].tokens == samples[best_of(scores)].answers[0].tokens);
        options.score = [&](int64_t of, const Decoded& answer) {
          CHECK(of == id);
          return answer.tokens.empty() ? -1 : static_cast<double>(answer.tokens[0]);
        };
        CHECK(solve(model, procedure, {prompts[id]}, options).answers[0].tokens ==
              samples[best_of(by_token)].answers[0].tokens);
      }
    }
  }
}

TEST_CASE("one sample at temperature 0, one beam and a tree of one branch take what greedy decoding takes") {
  const auto model = test::tiny_model();
  for (const char* name : {"latent", "words", "parallel", "pause"}) {
    const Procedure procedure = std::string(name) == "words" ? writing() : procedures().at(name);
    for (const auto& prompt : random_prompts(4)) {
      CAPTURE(name);
      const SolveOptions greedy{.max_answer_tokens = 5, .keep_trace = true};
      const Solution plain = solve(model, procedure, {prompt}, greedy);
      WorkDone expected;
      expected.feed(0, std::ssize(prompt) + 1);
      add_chain(expected, procedure, std::ssize(prompt) + 1, plain.thoughts.steps[0], plain.thoughts.halted[0],
                plain.answers[0]);
      for (const char* text : {"vote:1,temperature=0", "best:1,temperature=0", "tree:width=1,branch=1"}) {
        if (std::string(text).starts_with("tree") && (procedure.in_words || procedure.parallel)) continue;
        CAPTURE(text);
        SolveOptions options = greedy;
        options.strategy = parse_strategy(text);
        const Solution got = solve(model, procedure, {prompt}, options);
        CHECK(got.answers[0].tokens == plain.answers[0].tokens);
        CHECK(got.answers[0].stopped == plain.answers[0].stopped);
        CHECK(got.thoughts.steps == plain.thoughts.steps);
        CHECK(got.thoughts.halted == plain.thoughts.halted);
        CHECK(at::allclose(got.thoughts.trace_BKD, plain.thoughts.trace_BKD, 0, 1e-4));
        REQUIRE(got.work.has_value());
        CHECK(got.work->fed == expected.fed);
        CHECK(got.work->readings == expected.readings);
        CHECK(got.work->thoughts == expected.thoughts);
        CHECK(got.work->tokens == expected.tokens);
      }
    }
  }
}

TEST_CASE("noise on thoughts has the size asked for and names of its own") {
  const auto model = test::tiny_model();
  const Procedure latent = procedures().at("latent");
  const std::vector<int64_t> prompt = {1, 2, 3, 4};
  const auto first_thought = [&](double noise, int64_t id, uint64_t seed) {
    SolveOptions options{.max_answer_tokens = 1, .keep_trace = true, .ids = {id}, .seed = seed};
    if (noise > 0) options.strategy = {.kind = StrategyKind::noise, .noise = noise};
    return solve(model, latent, {prompt}, options).thoughts.trace_BKD[0][0].to(at::kDouble);
  };
  const at::Tensor clean_D = first_thought(0, 0, 0);
  const double rms = clean_D.square().mean().sqrt().item<double>();
  double square = 0;
  for (int64_t sample = 0; sample < 64; ++sample)
    square += (first_thought(.25, sample_id(0, sample), 1) - clean_D).square().mean().item<double>();
  CHECK(std::sqrt(square / 64) == doctest::Approx(.25 * rms).epsilon(.05));  // of 64 x 32 numbers
  CHECK(at::equal(first_thought(.25, 3, 1), first_thought(.25, 3, 1)));
  CHECK_FALSE(at::equal(first_thought(.25, 3, 1), first_thought(.25, 4, 1)));
  CHECK_FALSE(at::equal(first_thought(.25, 3, 1), first_thought(.25, 3, 2)));
}

TEST_CASE("solve_all follows every strategy, as solve does problem by problem") {
  const auto model = test::tiny_model();
  const TokenRows prompts = random_prompts(4);
  const Procedure latent = procedures().at("latent");
  for (const char* text : {"vote:3,temperature=1", "best:3", "beam:3", "tree:width=2", "contrast", "noise:.5"}) {
    CAPTURE(text);
    SolveOptions options{.max_answer_tokens = 4, .ids = {5, 6, 7, 9}, .strategy = parse_strategy(text), .seed = 2};
    std::vector<int64_t> order;
    CHECK(solve_all(model, latent, prompts, {.rows = 2, .solve = options}, [&](int64_t i, Solution solution) {
      SolveOptions alone = options;
      alone.ids = {options.ids[i]};
      CHECK(solution.answers[0].tokens == solve(model, latent, {prompts[i]}, alone).answers[0].tokens);
      order.push_back(i);
      return true;
    }));
    CHECK(order.size() == 4);
    int64_t told = 0;
    CHECK_FALSE(solve_all(model, latent, prompts, {.rows = 2, .solve = options},
                          [&](int64_t, const Solution&) { return ++told < 2; }));
    CHECK(told == 2);
  }
}

TEST_CASE("models with states of fixed size vote and search by beams, and refuse a tree") {
  Json config = test::tiny_config({.max_positions = 128});
  config["layer_types"] = {"rwkv7", "full_attention"};
  config["rwkv7_low_rank"] = 4;
  const auto model = make_model(model_config_from_json(config, "config.json"), /*seed=*/3);
  const Procedure latent = procedures().at("latent");
  SolveOptions options{.max_answer_tokens = 4, .strategy = parse_strategy("vote:3,temperature=1")};
  const Strategy strategy = options.strategy;
  const auto samples = samples_of(model, latent, {1, 2, 3}, 0, strategy, 3, 0);
  std::vector<std::string> answers;
  for (const Solution& sample : samples) {
    std::string text;
    for (const int64_t token : sample.answers[0].tokens) text += std::to_string(token) + " ";
    answers.push_back(text);
  }
  CHECK(solve(model, latent, {{1, 2, 3}}, options).answers[0].tokens == samples[majority(answers)].answers[0].tokens);
  options.strategy = parse_strategy("beam:2");
  Procedure endless = latent;
  endless.stop_tokens = {};
  CHECK(solve(model, endless, {{1, 2, 3}}, options).answers[0].tokens.size() == 4);
  options.strategy = parse_strategy("tree");
  CHECK(holds(error_of([&] { solve(model, latent, {{1, 2, 3}}, options); }), "state"));
}

}  // namespace
}  // namespace tacit
