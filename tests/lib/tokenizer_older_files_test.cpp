#include <doctest/doctest.h>

#include "tests/lib/tokenizer_support.h"

using namespace tacit;

namespace {

// vocab.json and merges.txt of tiny_bpe_json(), with <|endoftext|> as token 277.
void put_vocab_and_merges(const ScratchFolder& folder) {
  const Json json = tiny_bpe_json();
  Json vocabulary = json["model"]["vocab"];
  vocabulary["<|endoftext|>"] = 277;
  std::string merges = "#version: 0.2\n";
  for (const Json& rule : json["model"]["merges"]) merges += rule.get<std::string>() + "\n";
  put(folder / "vocab.json", vocabulary.dump());
  put(folder / "merges.txt", merges);
}

void put_config(const ScratchFolder& folder, const Json& json) { put(folder / "tokenizer_config.json", json.dump()); }

Json entry(const std::string& content) { return {{"content", content}, {"normalized", false}, {"special", true}}; }

}  // namespace

TEST_CASE("vocab.json and merges.txt give the ids of the tokenizer.json made of them") {
  const ScratchFolder folder;
  put_vocab_and_merges(folder);
  const auto plain = load_tokenizer(folder.path());
  CHECK(has_tokenizer(folder.path()));
  CHECK(plain->encode("hello world's<|endoftext|> 123") == std::vector<int64_t>{259, 264, 274, 277, 32, 273});
  CHECK(plain->vocab_size() == 278);

  put_config(folder, {{"tokenizer_class", "GPT2TokenizerFast"},
                      {"add_prefix_space", true},
                      {"added_tokens_decoder", {{"277", entry("<|endoftext|>")}, {"278", entry("<bot>")}}}});
  put(folder / "added_tokens.json", R"({"<bot>": 278, "<eot>": 279})");
  CHECK(load_tokenizer(folder.path())->encode("world<bot> hello<eot>") == std::vector<int64_t>{264, 278, 32, 259, 279});
}

TEST_CASE("Qwen2's class splits numbers into digits and normalises") {
  const ScratchFolder folder;
  put_vocab_and_merges(folder);
  put_config(folder, {{"tokenizer_class", "Qwen2Tokenizer"}});
  const auto tokenizer = load_tokenizer(folder.path());
  CHECK(tokenizer->encode("123 cafe\u0301<|endoftext|>") ==
        std::vector<int64_t>{49, 50, 51, 32, 99, 97, 102, 267, 277});
}

TEST_CASE("older files that do not say which tokenizer they are: error names the field and the file") {
  const ScratchFolder folder;
  put_vocab_and_merges(folder);
  const auto error = [&] { return error_of([&] { load_tokenizer(folder.path()); }); };
  put_config(folder, {{"tokenizer_class", "RobertaTokenizer"}});
  CHECK(
      error() ==
      "[load_tokenizer] expected 'tokenizer_class' to be GPT2Tokenizer or Qwen2Tokenizer, or a tokenizer.json, but got "
      "\"RobertaTokenizer\" in " +
          (folder / "tokenizer_config.json").string());
  put_config(folder, {{"added_tokens_decoder", {{"x", entry("<bot>")}}}});
  CHECK(holds(error(), "'added_tokens_decoder.x' to be named by an id"));
  put_config(folder, {{"added_tokens_decoder", {{"278", {{"special", true}}}}}});
  CHECK(holds(error(), "'added_tokens_decoder.278.content'"));
  put_config(folder, {{"added_tokens_decoder", {{"278", entry("<bot>")}}}});
  put(folder / "added_tokens.json", R"({"<other>": 278})");
  CHECK(holds(error(), "expected token 278 to be '<other>' as in "));
  put(folder / "added_tokens.json", R"({"<bot>": -1})");
  CHECK(holds(error(), "'<bot>'"));
}
