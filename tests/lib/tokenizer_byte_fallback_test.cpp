#include <doctest/doctest.h>

#include <random>

#include "lib/tokenizer/utf8.h"
#include "tests/lib/tokenizer_support.h"

using namespace tacit;

// BPE with byte fallback, as HF converts SentencePiece models. Its ids on long texts: tokenizer_mixed_test.cpp.

namespace {

Json small_json() { return fixture_json("byte_fallback_bpe.json"); }

}  // namespace

TEST_CASE("text comes back from byte fallback, valid UTF-8 or not") {
  const auto tokenizer = load_json(small_json());
  for (const std::string text : {"Hello  world", "x", "", "\n\n a\tb ", "\xFF\xC3 \xE4\xBD",
                                 "\u4F60\u597D \U0001F600 e\u0301", "a<s>b</s>", "\u180E\uFFFD"}) {
    CAPTURE(text);
    CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
  }
  CHECK(tokenizer->encode("\xFF").back() == 3 + 255);
  CHECK(tokenizer->token(3 + 255) == "<0xFF>");
  CHECK(tokenizer->decode(tokenizer->encode("a\u2581b")) == "a b");  // the file's own sign for a space
}

TEST_CASE("cutting a text where no rule joins gives what merging all of it gives") {
  Json json = small_json();
  json["pre_tokenizer"] = nullptr;
  const auto tokenizer = load_json(json);
  const BpeMerges rules = merges_of(json, *tokenizer);
  std::vector<std::string> tokens;
  for (int64_t i = 3 + 256; i < tokenizer->vocab_size(); ++i) tokens.push_back(tokenizer->token(i));
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t left = random() % 40; left > 0; --left) text += tokens[random() % tokens.size()];
    const auto spells = [&](int64_t special) { return holds(text, tokenizer->token(special)); };
    if (spells(0) || spells(1) || spells(2)) continue;  // a special token is not merged
    std::vector<int32_t> symbols;
    for (size_t at = 0; at < text.size();) {
      const auto bytes = static_cast<size_t>(code_point_at(text, at).bytes);
      symbols.push_back(static_cast<int32_t>(*tokenizer->id_of(text.substr(at, bytes))));
      at += bytes;
    }
    symbols = merged_one_by_one(rules, symbols);
    REQUIRE(tokenizer->encode(text) == std::vector<int64_t>(symbols.begin(), symbols.end()));
  }
}

TEST_CASE("a byte-fallback tokenizer that would give other ids or text is refused, naming the part") {
  const auto error = [](const auto& change) {
    Json json = small_json();
    change(json);
    return error_of([&] { load_json(json); });
  };
  CHECK(holds(error([](Json& j) { j["decoder"] = nullptr; }), "'decoder'"));
  CHECK(holds(error([](Json& j) { j["decoder"]["type"] = "Metaspace"; }), "'decoder' to be a Sequence of Replace"));
  CHECK(holds(error([](Json& j) { j["decoder"]["decoders"].erase(1); }), "'decoder' to be a Sequence of Replace"));
  CHECK(holds(error([](Json& j) { j["decoder"]["decoders"][3]["stop"] = 1; }), "'decoder.decoders[3].stop' to be 0"));
  CHECK(holds(error([](Json& j) { j["pre_tokenizer"]["prepend_scheme"] = "last"; }),
              "'pre_tokenizer.prepend_scheme' to be always, first or never"));
  CHECK(holds(error([](Json& j) {
                j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "x"}}}, {"content", ""}};
              }),
              "'normalizer.pattern.String'"));
  CHECK(holds(error([](Json& j) {
                j["model"]["vocab"].erase("<0x41>");
                j["model"]["vocab"]["<0x4>"] = 3 + 0x41;
              }),
              "'model.vocab' to have <0x41>"));
}
