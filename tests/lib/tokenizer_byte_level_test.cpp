#include <doctest/doctest.h>

#include <random>
#include <thread>

#include "tests/lib/tokenizer_support.h"

using namespace tacit;

// The ids in this file were produced with HF tokenizers 0.23.3 from the same tokenizer.json.

namespace {

void check(const Json& json, const std::vector<Golden>& rows) {
  const auto tokenizer = load_json(json);
  for (const Golden& row : rows) {
    CAPTURE(row.text);
    CHECK(tokenizer->encode(row.text) == row.ids);
  }
}

}  // namespace

TEST_CASE("GPT-2's splitting and merges give the reference's ids, on U+180E and new scripts too") {
  check(tiny_bpe_json(), {
                             {"hello world", {259, 264}},
                             {"hello  world", {259, 32, 264}},
                             {" hello's 123 worlds\n\n  x", {32, 259, 274, 32, 273, 264, 115, 10, 10, 32, 32, 120}},
                             {"caf\303\251 cafe\314\201", {99, 97, 102, 267, 32, 99, 97, 102, 101, 204, 129}},
                             {"a\341\240\216b \341\240\216 \341\240\216", {97, 270, 98, 32, 270, 32, 270}},
                             {"\344\275\240\345\245\275 \360\237\230\200\360\261\215\220",
                              {228, 189, 160, 229, 165, 189, 32, 240, 159, 152, 128, 240, 177, 141, 144}},
                             {"aaaaaaa aaa", {276, 275, 97, 32, 275, 97}},
                             {"\t \015\n \302\205\302\240x", {9, 32, 13, 10, 32, 194, 133, 194, 160, 120}},
                             {"", {}},
                         });
}

TEST_CASE("merges may be written as pairs") {
  Json json = tiny_bpe_json();
  for (Json& rule : json["model"]["merges"]) {
    const auto text = rule.get<std::string>();
    rule = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  check(json, {{"hello world", {259, 264}}});
}

TEST_CASE("added tokens take white space, respect words and prefer the longest, as in the reference") {
  Json json = tiny_bpe_json();
  json["added_tokens"] = {added_token(277, "<e>"),
                          added_token(278, "<l>", {{"lstrip", true}}),
                          added_token(279, "<r>", {{"rstrip", true}}),
                          added_token(271, "wor", {{"single_word", true}}),
                          added_token(280, "  ", {{"normalized", true}}),
                          added_token(281, "   ", {{"normalized", true}}),
                          added_token(282, "<r>!", {{"normalized", true}})};
  check(json, {
                  {"hello<e>world<e><e>", {259, 277, 271, 263, 277, 277}},
                  {"a  \302\240<l>  b<r>\t\n <r>c", {97, 278, 280, 98, 279, 279, 99}},
                  {"wor word wor.wor_ \303\251wor", {271, 262, 100, 32, 271, 46, 271, 95, 32, 267, 271}},
                  {"a  b   c    d     e", {97, 280, 98, 281, 99, 281, 32, 100, 281, 280, 101}},
                  {"<r>!<r>  <l>x", {279, 33, 279, 278, 120}},
              });
  const auto tokenizer = load_json(json);
  CHECK(tokenizer->vocab_size() == 283);
  CHECK(tokenizer->decode(tokenizer->encode("a  b<e>   c")) == "a  b<e>   c");
}

TEST_CASE("NFC composes as the reference does, whose Unicode data is older than the library's") {
  Json json = tiny_bpe_json();
  json["normalizer"] = {{"type", "NFC"}};
  json["added_tokens"] = {added_token(277, "caf\303\251"),
                          added_token(278, "e\314\201t\303\251", {{"normalized", true}})};
  const std::vector<Golden> rows = {
      {"cafe\314\201 caf\303\251 \342\204\253", {99, 97, 102, 267, 32, 277, 32, 195, 133}},
      {"\303\251te\314\201 q\314\207\314\243", {278, 32, 113, 204, 163, 204, 135}},
      {"\341\204\222\341\205\241\341\206\253 \315\204", {237, 149, 156, 32, 204, 136, 204, 129}},
      {"\360\221\244\265\360\221\244\260 \340\247\276\314\226",
       {240, 145, 164, 181, 240, 145, 164, 176, 32, 224, 167, 190, 204, 150}},
  };
  check(json, rows);
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}}}};
  check(json, rows);
}

TEST_CASE("add_prefix_space puts a space before every part between added tokens") {
  Json json = tiny_bpe_json();
  json["pre_tokenizer"]["add_prefix_space"] = true;
  json["added_tokens"] = {added_token(277, "<e>")};
  check(json, {{"hello world", {32, 259, 264}}, {" hello", {32, 259}}, {"<e>world<e> world", {277, 264, 277, 264}}});
}

TEST_CASE("Llama-3's split pattern before ByteLevel") {
  Json json = tiny_bpe_json();
  const std::string pattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
      R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}}}};
  check(json, {{"hello'S 123456", {259, 39, 83, 32, 273, 52, 53, 54}},
               {" world\n\n x", {264, 10, 10, 32, 120}},
               {"(hello)\n", {40, 259, 41, 10}}});
}

TEST_CASE("ignore_merges takes a whole piece from the vocabulary where no merge reaches it") {
  Json json = tiny_bpe_json();
  json["model"]["vocab"]["Ġx"] = 277;
  CHECK(load_json(json)->encode(" x") == std::vector<int64_t>{32, 120});
  json["model"]["ignore_merges"] = true;
  CHECK(load_json(json)->encode(" x") == std::vector<int64_t>{277});
}

TEST_CASE("a byte that the vocabulary lacks is the unknown token, and nothing without one") {
  Json json = tiny_bpe_json(), vocabulary = Json::object();
  for (const std::string& symbol : byte_symbols()) {
    if (symbol != "z") vocabulary.emplace(symbol, vocabulary.size());
  }
  vocabulary["<u>"] = 255;
  json["model"]["vocab"] = vocabulary;
  json["model"]["merges"] = Json::array();
  check(json, {{"azzbz", {97, 98}}});
  json["model"]["unk_token"] = "<u>";
  check(json, {{"azzbz", {97, 255, 255, 98, 255}}});
  json["model"]["fuse_unk"] = true;
  check(json, {{"azzbz", {97, 255, 98, 255}}});
}

TEST_CASE("a byte that neither UTF-8 nor the vocabulary has is read as U+FFFD") {
  Json json = tiny_bpe_json(), vocabulary = Json::object();
  for (const std::string& symbol : byte_symbols()) {
    if (symbol != "\u00FF") vocabulary.emplace(symbol, vocabulary.size());
  }
  json["model"]["vocab"] = vocabulary;
  json["model"]["merges"] = Json::array();
  const auto tokenizer = load_json(json);
  CHECK(tokenizer->encode("a\xFF\xFE") == std::vector<int64_t>{97, 239, 191, 189, 254});
  CHECK(tokenizer->decode(tokenizer->encode("a\xFF")) == "a\uFFFD");
}

TEST_CASE("every byte string survives encode and decode") {
  Json json = tiny_bpe_json();
  json["added_tokens"] = {added_token(277, "<e>"), added_token(278, "caf\303\251", {{"normalized", true}})};
  const auto tokenizer = load_json(json);
  for (const std::string text : {"\xFF", "a\xC3", "\xE4\xBDhello", "\xED\xA0\x80 world", "\xC0\xAF", "\xF5\x80\x80\x80",
                                 "x\x80  \x80y", "<e>\xFF<e>", "caf\303\251\303", "\xF0\x9F\x98 \xF0\x9F\x98\x80"}) {
    CAPTURE(text);
    CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
  }
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 60, ' ');
    for (char& byte : text)
      byte = static_cast<char>(random() % 4 == 0 ? "hello w<e>'s\n"[random() % 13] : random() % 256);
    REQUIRE(tokenizer->decode(tokenizer->encode(text)) == text);
  }
}

TEST_CASE("a long piece is merged as its short repetitions are") {
  const auto tokenizer = load_json(tiny_bpe_json());
  const std::vector<int64_t> four = tokenizer->encode(std::string(4, 'a'));
  REQUIRE(four == std::vector<int64_t>{276});
  for (const int64_t count : {11, 12, 13, 25, 2500}) {  // scan and heap both
    CHECK(tokenizer->encode(std::string(static_cast<size_t>(4 * count), 'a')) ==
          std::vector<int64_t>(static_cast<size_t>(count), 276));
  }
}

TEST_CASE("one tokenizer serves several threads") {
  const auto tokenizer = load_json(tiny_bpe_json());
  const std::string text = "hello world's caf\303\251 123 \341\240\216";
  const std::vector<int64_t> expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i)
        wrong[t] += tokenizer->encode(text) != expected || tokenizer->decode(expected) != text;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("token and id_of use the vocabulary's own strings") {
  const auto tokenizer = load_json(tiny_bpe_json());
  CHECK(tokenizer->vocab_size() == 277);
  CHECK(tokenizer->token(264) == "Ġworld");
  CHECK(tokenizer->id_of("Ġworld") == 264);
  CHECK(tokenizer->id_of(" world") == std::nullopt);
  CHECK(tokenizer->require_id("hello", "train") == 259);
  CHECK(holds(error_of([&] { tokenizer->require_id("<bot>", "train"); }),
              "[train] expected a vocabulary with the token '<bot>'"));
  for (const int64_t id : {-1, 277}) {
    CHECK(holds(error_of([&] { tokenizer->token(id); }), "got " + std::to_string(id)));
    CHECK(holds(error_of([&] { tokenizer->decode(std::vector<int64_t>{0, id}); }), "got " + std::to_string(id)));
  }
}
