#include "latent/methods/tree.h"

#include <doctest/doctest.h>

#include "datasets/generated_task.h"
#include "datasets/generators.h"
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

  LatentLoss loss(const Transformer& model, const std::vector<Example>& examples, bool tree) const {
    MethodSettings settings{
        .method = "tree", .task = "listops", .options = {{"tree", tree}}, .markers = {.answer = "[A]"}};
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
  a.meta["parents"] = {-1, 0, 0, 2, 2, 2, 0, 0};
  Example b = a;
  b.question = "[MAX 2 [MIN 9 3 ] 0 ]";
  for (const bool tree : {true, false}) {
    const auto one = nested.model(1), two = nested.model(2);
    CHECK((nested.loss(*one, {a}, tree).tokens == nested.loss(*one, {b}, tree).tokens) == tree);
    CHECK(nested.loss(*two, {a}, tree).tokens != nested.loss(*two, {b}, tree).tokens);
  }
}

TEST_CASE("what has no nesting is refused") {
  const Nested nested;
  const Example flat{.id = "x", .question = "[MAX 2 3 ]", .answer = "3"};
  CHECK_THROWS_WITH_AS(nested.loss(*nested.model(1), {flat}, true),
                       doctest::Contains("expected problems with meta.parents"), Error);
}
