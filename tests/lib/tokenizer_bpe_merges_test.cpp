#include <doctest/doctest.h>

#include <random>

#include "lib/tokenizer/bpe_merges.h"
#include "tests/lib/tokenizer_support.h"

using namespace tacit;

TEST_CASE("merging gives what joining the best pair one at a time gives, at every length") {
  std::mt19937 random(3);
  for (int table = 0; table < 60; ++table) {
    const int32_t alphabet = 1 + static_cast<int32_t>(random() % 6), count = static_cast<int32_t>(random() % 60);
    BpeMerges rules(static_cast<size_t>(count));
    for (int32_t rank = 0; rank < count; ++rank) {
      const int32_t known = alphabet + rank;
      rules.set(static_cast<int32_t>(random() % known), static_cast<int32_t>(random() % known), {rank, known});
    }
    for (size_t length = 0; length < 140; ++length) {  // beyond the length where the method changes
      std::vector<int32_t> symbols(length);
      for (int32_t& symbol : symbols) symbol = static_cast<int32_t>(random() % alphabet);
      const std::vector<int32_t> expected = merged_one_by_one(rules, symbols);
      rules.apply(symbols);
      REQUIRE(symbols == expected);
    }
  }
}

TEST_CASE("a piece that is looked up whole is what its bytes merge to") {
  const Json json = fixture_json("bpe.json");
  const auto tokenizer = load_json(json);
  const auto id = [&](const std::string& token) { return static_cast<int32_t>(*tokenizer->id_of(token)); };
  const BpeMerges rules = merges_of(json, *tokenizer);
  std::vector<std::string> words;  // tokens of small letters, which stay one piece when put together
  for (int64_t i = 0; i < tokenizer->vocab_size(); ++i) {
    const std::string word = tokenizer->token(i);
    if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string::npos) words.push_back(word);
  }
  REQUIRE(words.size() > 100);
  std::mt19937 random(4);
  for (size_t i = 0; i < 20000; ++i) {
    std::string text = words[i % words.size()];
    for (size_t more = i < words.size() ? 0 : random() % 12; more > 0; --more) text += words[random() % words.size()];
    std::vector<int32_t> symbols;
    for (const char byte : text) symbols.push_back(id(std::string(1, byte)));
    symbols = merged_one_by_one(rules, symbols);
    REQUIRE(tokenizer->encode(text) == std::vector<int64_t>(symbols.begin(), symbols.end()));
  }
}
