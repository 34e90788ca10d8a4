#include <doctest/doctest.h>

#include <cstring>

#include "tests/lib/tokenizer_support.h"

using namespace tacit;

namespace {

// The fields of SentencePiece's ModelProto, in protobuf's wire format.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}
std::string field(int number, char value) { return {static_cast<char>(number << 3), value}; }

std::string piece(const std::string& text, float score, char type) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &score, 4);
  return field(1, field(1, text) + std::string{2 << 3 | 5} + bytes + field(3, type));
}

std::string tiny_pieces() {
  constexpr char normal = 1, unknown = 2, control = 3, bpe = 2;
  std::string model = piece("<unk>", 0, unknown) + piece("<s>", 0, control) + piece("</s>", 0, control);
  float score = 0;
  for (const char* text : {"▁h", "el", "▁hel", "lo", "▁hello", "▁", "h", "e", "l", "o", "w"}) {
    model += piece(text, score, normal);
    score -= 1;
  }
  return model + field(2, field(3, bpe)) + field(3, field(1, "identity"));
}

}  // namespace

TEST_CASE("tokenizer.model gives the ids and the text of SentencePieceProcessor") {
  const ScratchFolder folder;
  put(folder / "tokenizer.model", tiny_pieces());
  const auto tokenizer = load_tokenizer(folder.path());
  CHECK(tokenizer->encode("hello hello") == std::vector<int64_t>{7, 7});
  CHECK(tokenizer->encode("ho low") == std::vector<int64_t>{3, 12, 8, 6, 13});
  CHECK(tokenizer->encode("x") == std::vector<int64_t>{8, 0});
  CHECK(tokenizer->encode(" ").empty());
  CHECK(tokenizer->decode(std::vector<int64_t>{3, 12, 8, 6, 13}) == "ho low");
  CHECK(tokenizer->vocab_size() == 14);
  CHECK(tokenizer->token(7) == "▁hello");
  CHECK(tokenizer->id_of("lo") == 6);
  CHECK(tokenizer->id_of("<unk>") == 0);
  CHECK(tokenizer->id_of("nope") == std::nullopt);
  CHECK(holds(error_of([&] { tokenizer->decode(std::vector<int64_t>{14}); }), "got 14"));
}

TEST_CASE("tokens added beside tokenizer.model are found first, and what stands between them is encoded by itself") {
  const ScratchFolder folder;
  put(folder / "tokenizer.model", tiny_pieces());
  put(folder / "added_tokens.json", R"({"<bot>": 14, "<bot>x": 15})");
  put(folder / "tokenizer_config.json",
      R"({"added_tokens_decoder": {"1": {"content": "<s>", "lstrip": true}, "14": {"content": "<bot>", "special": true}}})");
  const auto tokenizer = load_tokenizer(folder.path());
  CHECK(tokenizer->vocab_size() == 16);
  CHECK(tokenizer->encode("hello<bot>hello <bot>x<bot>") == std::vector<int64_t>{7, 14, 7, 15, 14});
  CHECK(tokenizer->encode("").empty());
  CHECK(tokenizer->decode(std::vector<int64_t>{7, 14, 7, 7, 15, 14}) == "hello<bot>hello hello<bot>x<bot>");
  CHECK(tokenizer->token(15) == "<bot>x");
  CHECK(tokenizer->id_of("<bot>") == 14);
  CHECK(tokenizer->id_of("<s>") == 1);
  CHECK(holds(error_of([&] { tokenizer->token(16); }), "got 16"));

  put(folder / "added_tokens.json", R"({"hello": 14, "lo": 15})");
  put(folder / "tokenizer_config.json", "{}");
  CHECK(holds(error_of([&] { load_tokenizer(folder.path()); }), "expected 'lo' to be token 6 but got 15"));
  put(folder / "added_tokens.json", "{}");
  put(folder / "tokenizer_config.json", R"({"added_tokens_decoder": {"14": {"content": "<bot>", "rstrip": true}}})");
  CHECK(holds(error_of([&] { load_tokenizer(folder.path()); }), "rstrip' to be false beside tokenizer.model"));
}

TEST_CASE("tokenizer.json comes before tokenizer.model") {
  const ScratchFolder folder;
  put(folder / "tokenizer.model", tiny_pieces());
  put(folder / "tokenizer.json", word_tokenizer_json({"hello"}));
  CHECK(load_tokenizer(folder.path())->vocab_size() == 1);
}

TEST_CASE("a damaged tokenizer.model: error names the file") {
  for (const std::string& content : {std::string(), std::string("not a model"), tiny_pieces().substr(0, 40)}) {
    const ScratchFolder folder;
    put(folder / "tokenizer.model", content);
    const std::string error = error_of([&] { load_tokenizer(folder.path()); });
    CAPTURE(error);
    CHECK(error.starts_with("[load_tokenizer] expected a SentencePiece model but got "));
    CHECK(holds(error, (folder / "tokenizer.model").string()));
  }
}
