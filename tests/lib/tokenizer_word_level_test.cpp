#include <doctest/doctest.h>

#include "tests/lib/tokenizer_support.h"

using namespace tacit;

namespace {

Json words_json() {
  return {{"version", "1.0"},
          {"added_tokens", {added_token(4, "<e>")}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
          {"decoder", nullptr},
          {"model",
           {{"type", "WordLevel"}, {"vocab", {{"the", 0}, {"cat", 1}, {"sat", 2}, {".", 3}}}, {"unk_token", "."}}}};
}

}  // namespace

TEST_CASE("words give the reference's ids (HF tokenizers 0.23.3)") {
  struct Row {
    std::string text;
    std::vector<int64_t> split, words;  // pre-tokenizers WhitespaceSplit and Whitespace
  };
  const std::vector<Row> rows = {{"the cat\343\200\200sat <e>the<e>", {0, 1, 2, 4, 0, 4}, {0, 1, 2, 4, 0, 4}},
                                 {"the cat.", {0, 3}, {0, 1, 3}},
                                 {" cat\341\240\216the\302\205 ", {3}, {1, 3, 0}}};  // U+180E is no white space
  const auto split = load_json(words_json());
  Json json = words_json();
  json["pre_tokenizer"]["type"] = "Whitespace";
  const auto words = load_json(json);
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(split->encode(row.text) == row.split);
    CHECK(words->encode(row.text) == row.words);
  }
  CHECK(split->decode(std::vector<int64_t>{0, 1, 2, 3, 4}) == "the cat sat . <e>");
}

TEST_CASE("an unknown word without unknown token: error names the word") {
  const auto tokenizer = make_word_tokenizer({"the", "cat"});
  CHECK(tokenizer->encode(" the\tcat ") == std::vector<int64_t>{0, 1});
  CHECK(error_of([&] { tokenizer->encode("the dog"); }) == "[tokenize] expected words of the vocabulary but got 'dog'");
}

TEST_CASE("make_word_tokenizer and its tokenizer.json are the same tokenizer") {
  const std::vector<std::string> words = {"[UNK]", "\"quoted\"", "caf\303\251", "a", "|"};
  const auto made = make_word_tokenizer(words, "[UNK]");
  const auto read = load_json(Json::parse(word_tokenizer_json(words, "[UNK]")));
  const std::string text = "a caf\303\251 | \"quoted\" other";
  CHECK(made->encode(text) == std::vector<int64_t>{3, 2, 4, 1, 0});
  CHECK(read->encode(text) == made->encode(text));
  CHECK(made->decode(made->encode(text)) == "a caf\303\251 | \"quoted\" [UNK]");
  CHECK(made->vocab_size() == 5);
  CHECK(made->token(2) == "caf\303\251");
  CHECK(read->id_of("|") == 4);
}

TEST_CASE("words that cannot be a vocabulary are refused") {
  struct Row {
    std::vector<std::string> words;
    std::string unknown, part;
  };
  for (const Row& row : std::vector<Row>{{{"a", "a"}, "", "'a' twice"},
                                         {{"a b"}, "", "without white space but got 'a b'"},
                                         {{"a", ""}, "", "at id 1"},
                                         {{"\xFF"}, "", "at id 0"},
                                         {{"a"}, "[UNK]", "'[UNK]'"}}) {
    const std::string error = error_of([&] { make_word_tokenizer(row.words, row.unknown); });
    CAPTURE(error);
    CHECK(error.starts_with("[make_word_tokenizer] expected "));
    CHECK(holds(error, row.part));
  }
}
