#include "latent/methods/tree.h"

#include <doctest/doctest.h>

#include "datasets/generated_task.h"
#include "datasets/generators.h"
#include "decoding/choice.h"
#include "decoding/scheduler.h"
#include "latent/unroll.h"
#include "lib/core/error.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

struct Nested {
  Generator generator = open_generator("listops", {{"depth", {1, 3}}, {"words", 60}}, "test");
  std::shared_ptr<const Tokenizer> tokenizer = make_word_tokenizer(generator.vocabulary);

  std::shared_ptr<const Transformer> model(int64_t layers) const {
    return test::tiny_model({.vocab_size = tokenizer->vocab_size(), .layers = layers, .smeared_keys = false});
  }

  MethodSettings settings(bool tree) const {
    return {.method = "tree", .task = "listops", .options = {{"tree", tree}}, .markers = {.answer = "[A]"}};
  }

  Procedure procedure(bool tree) const { return bind_method(method("tree"), settings(tree), tokenizer.get()); }

  LatentLoss loss(const Transformer& model, const std::vector<Example>& examples, bool tree) const {
    const MethodSettings settings = this->settings(tree);
    const ObjectiveContext context{settings, *tokenizer, 0, 0};
    std::vector<TrainingRow> rows;
    for (const Example& example : examples) rows.push_back(method("tree").row(example, context));
    return method("tree").loss({model, {}, rows, examples, context, {}});
  }
};

// Whether word i sees word j, told by reading: words between them that open and close, and nothing else.
bool sees(const std::vector<std::string>& words, size_t i, size_t j) {
  const auto opens = [&](size_t k) { return words[k].size() > 1 && words[k] != "[A]"; };
  int64_t depth = 0;
  std::vector<size_t> open;                              // lists around the word that is being read
  std::vector<std::vector<size_t>> lists(words.size());  // around each word, its own last
  std::vector<size_t> opener_of(words.size(), words.size());
  for (size_t k = 0; k < words.size(); ++k) {
    if (opens(k)) open.push_back(k), ++depth;
    lists[k] = open;
    if (words[k] == "]") opener_of[k] = open.back(), open.pop_back(), --depth;
  }
  CHECK(depth == 0);
  if (words[i] == "[A]") lists[i] = {0};
  if (j > i) return false;
  if (i == j || lists[j] == lists[i]) return true;
  std::vector<size_t> outside = lists[j];
  outside.pop_back();
  return words[j] == "]" && outside == lists[i];
}

}  // namespace

TEST_CASE("a word sees its own list, of inner lists the closing word alone") {
  const Nested nested;
  std::vector<std::vector<int64_t>> parents;
  std::vector<std::vector<std::string>> texts;
  for (int64_t i = 0; i < 8; ++i) {
    const Example example = nested.generator.example(3, i);
    parents.push_back(example.meta.at("parents").get<std::vector<int64_t>>());
    texts.push_back(split_words(example.question));
    texts.back().push_back("[A]");
  }
  const at::Tensor seen_B1TT = own_list_mask(parents);
  int64_t hidden = 0;
  for (size_t b = 0; b < texts.size(); ++b) {
    const auto seen = seen_B1TT[b][0];
    for (size_t i = 0; i < texts[b].size(); ++i) {
      for (size_t j = 0; j < texts[b].size(); ++j) {
        CAPTURE(b);
        CAPTURE(i);
        CAPTURE(j);
        CHECK(seen[i][j].item<bool>() == sees(texts[b], i, j));
        hidden += j <= i && !seen[i][j].item<bool>();
      }
    }
  }
  CHECK(hidden > 0);
  CHECK_THROWS_WITH_AS(own_list_mask({{-1, 2, 1}}), doctest::Contains("[own_list_mask] expected the opener before"),
                       Error);
}

TEST_CASE("without the tree the loss is that of the text") {
  const Nested nested;
  const auto model = nested.model(2);
  std::vector<Example> examples;
  std::vector<TrainingRow> rows;
  for (int64_t i = 0; i < 5; ++i) {
    examples.push_back(nested.generator.example(4, i));
    rows.push_back({.prompt = nested.tokenizer->encode(examples[i].question)});
    rows[i].rest = {nested.tokenizer->require_id("[A]", "test"),
                    nested.tokenizer->require_id(examples[i].answer, "test")};
    rows[i].rest_trained = {0, 1};
  }
  const LatentLoss got = nested.loss(*model, examples, false);
  CHECK(got.tokens == doctest::Approx(text_loss(*model, rows).loss.item<double>()).epsilon(1e-5));
  CHECK(got.tokens != doctest::Approx(nested.loss(*model, examples, true).tokens).epsilon(1e-5));
}

TEST_CASE("with the tree, what a list inside holds takes a layer more to reach the answer") {
  const Nested nested;
  Example a{.id = "a", .question = "[MAX 2 [MIN 4 7 ] 0 ]", .answer = "4"};
  Example b = a;
  b.question = "[MAX 2 [MIN 9 3 ] 0 ]";
  for (const bool tree : {true, false}) {
    const auto one = nested.model(1), two = nested.model(2);
    CHECK((nested.loss(*one, {a}, tree).tokens == nested.loss(*one, {b}, tree).tokens) == tree);
    CHECK(nested.loss(*two, {a}, tree).tokens != nested.loss(*two, {b}, tree).tokens);
  }
}

TEST_CASE("the nesting is read from the words") {
  const Nested nested;
  const Brackets brackets = brackets_of(*nested.tokenizer);
  const auto parents = [&](const std::string& text) { return parents_in({nested.tokenizer->encode(text)}, brackets); };
  for (int64_t i = 0; i < 20; ++i) {
    const Example example = nested.generator.example(5, i);
    CHECK(Json(parents(example.question)[0]) == example.meta.at("parents"));
  }
  CHECK(parents("[MAX 2 [MIN 4 7 ] 0 ]")[0] == std::vector<int64_t>{-1, 0, 0, 2, 2, 2, 0, 0});
  const std::pair<const char*, const char*> refused[] = {
      {"2 [MAX 2 3 ]", "expected one list, such as '[MAX 2 [MIN 4 7 ] ]', in row 0 but word 0 stands outside of it"},
      {"[MAX 2 3 ] 4", "word 4 stands outside of it"},
      {"[MAX 2 ] [MAX 3 ]", "word 3 stands outside of it"},
      {"] 3", "word 0 stands outside of it"},
      {"[A] 3", "word 0 stands outside of it"},
      {"[MAX 2 [MIN 4 7 ]", "expected every list to be closed by ']' in row 0 but 1 are not"},
      {"", "expected a list in row 0 but got no words"}};
  for (const auto& [text, message] : refused) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(parents(text), doctest::Contains(message), Error);
  }
  const Example flat{.id = "x", .question = "2 3", .answer = "3"};
  CHECK_THROWS_WITH_AS(nested.loss(*nested.model(1), {flat}, true), doctest::Contains("[tree] expected one list"),
                       Error);
}

TEST_CASE("answers are read through the mask that was trained, alone and in batches") {
  const Nested nested;
  const auto model = nested.model(2);
  std::vector<Example> examples;
  TokenRows prompts;
  for (int64_t i = 0; i < 9; ++i) {
    examples.push_back(nested.generator.example(6, i));
    prompts.push_back(nested.tokenizer->encode(examples[i].question));
  }
  const int64_t marker = nested.tokenizer->require_id("[A]", "test");
  std::vector<std::vector<int64_t>> answers[2];
  for (const bool tree : {true, false}) {
    const Procedure procedure = nested.procedure(tree);
    CHECK(procedure.reads_at_once(model->config()) == tree);
    double loss = 0;
    for (size_t i = 0; i < prompts.size(); ++i) {
      std::vector<int64_t> row = prompts[i];
      row.push_back(marker);
      Session session(model, {.rows = 1, .capacity = 64, .mask = procedure.mask});
      session.prefill({row});
      const at::Tensor log_V = at::log_softmax(session.logits_BV()[0], -1);
      loss -= log_V[nested.tokenizer->require_id(examples[i].answer, "test")].item<double>();
      answers[tree].push_back({log_V.argmax().item<int64_t>()});
    }
    CHECK(nested.loss(*model, examples, tree).tokens == doctest::Approx(loss / 9).epsilon(1e-5));

    const Solution together = solve(model, procedure, prompts);
    for (size_t i = 0; i < prompts.size(); ++i) CHECK(together.answers[i].tokens == answers[tree][i]);
    for (const int64_t read_together : {1, 4}) {
      std::vector<std::vector<int64_t>> scheduled(prompts.size());
      const auto keep = [&](int64_t i, const Solution& one) {
        scheduled[i] = one.answers[0].tokens;
        return true;
      };
      CHECK(solve_all(model, procedure, prompts,
                      {.rows = 4, .prefill_chunk = 3, .prefill_rows = read_together, .shortest_prefix = 1}, keep));
      CHECK(scheduled == answers[tree]);
    }
  }
  CHECK(answers[0] != answers[1]);
}

TEST_CASE("behind a prompt that was read through a mask nothing can follow") {
  const Nested nested;
  const auto model = nested.model(2);
  const Procedure procedure = nested.procedure(true);
  const auto prompt = nested.tokenizer->encode("[MAX 2 [MIN 4 7 ] 0 ] [A]");
  Session session(model, {.rows = 1, .capacity = 32, .mask = procedure.mask});
  CHECK_THROWS_WITH_AS(session.feed_vectors(at::zeros({1, 2, model->config().hidden_size})),
                       doctest::Contains("[feed_vectors] expected tokens: the session has a mask"), Error);
  session.prefill({prompt});
  CHECK_THROWS_WITH_AS(session.feed({prompt[0]}), doctest::Contains("[feed] expected a session that has consumed"),
                       Error);
  CHECK_THROWS_WITH_AS(session.think({.max_steps = 1, .feedback = feedback::hidden(), .halt = halt::fixed(1)}),
                       doctest::Contains("[think] expected a session that has consumed"), Error);
  CHECK(session.lengths() == std::vector<int64_t>{std::ssize(prompt)});

  Session two(model, {.rows = 2, .capacity = 32, .mask = procedure.mask});
  CHECK_THROWS_WITH_AS(two.feed({prompt, {}}), doctest::Contains("[feed] expected tokens for every row"), Error);
  Session plain(model, {.rows = 1, .capacity = 32});
  CHECK_THROWS_WITH_AS(plain.adopt(0, session, 0), doctest::Contains("layers kept and mask"), Error);
  CHECK(session.memory_bytes() == 0);
  const auto smeared = test::tiny_model({.vocab_size = nested.tokenizer->vocab_size(), .smeared_keys = true});
  CHECK_THROWS_WITH_AS(Session(smeared, {.capacity = 32, .mask = procedure.mask}),
                       doctest::Contains("whose keys are not smeared"), Error);

  const TokenMask narrow = [](const TokenRows&) { return at::ones({1, 1, 2, 2}, at::kBool); };
  Session wrong(model, {.rows = 1, .capacity = 32, .mask = narrow});
  CHECK_THROWS_WITH_AS(wrong.prefill({prompt}), doctest::Contains("[prefill] expected a mask of bool [1, 1, 9, 9]"),
                       Error);
  CHECK(wrong.lengths() == std::vector<int64_t>{0});

  SolveOptions options;
  options.strategy = parse_strategy("beam:2");
  const TokenRows question = {{prompt.begin(), prompt.end() - 1}};
  CHECK_THROWS_WITH_AS(solve(model, procedure, question, options),
                       doctest::Contains("of method tree, which reads its input at once"), Error);
  CHECK_THROWS_WITH_AS(choose(model, procedure, question, {{{prompt[1]}, {prompt[4]}}}),
                       doctest::Contains("got method tree, which reads its input at once"), Error);
}
