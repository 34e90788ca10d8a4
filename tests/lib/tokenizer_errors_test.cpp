#include <doctest/doctest.h>

#include <functional>

#include "tests/lib/tokenizer_support.h"

using namespace tacit;

TEST_CASE("a folder without tokenizer: error names what was looked for") {
  const ScratchFolder folder;
  CHECK(error_of([&] { load_tokenizer(folder.path()); }) ==
        "[load_tokenizer] expected tokenizer.json, tokenizer.model or vocab.json with merges.txt but got none in " +
            folder.path().string());
}

TEST_CASE("a component that would give other ids is refused, naming it and the file") {
  struct Row {
    std::function<void(Json&)> change;
    std::string part;
  };
  const auto split = [](const char* pattern, const char* behavior = "Isolated") {
    return Json{
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", behavior}}, {{"type", "ByteLevel"}}}}};
  };
  const std::vector<Row> rows = {
      {[](Json& j) { j["version"] = "2.0"; }, "'version'"},
      {[](Json& j) { j["model"]["type"] = "Unigram"; }, "'model.type' to be BPE or WordLevel but got \"Unigram\""},
      {[](Json& j) { j.erase("model"); }, "'model'"},
      {[](Json& j) {
         j["normalizer"] = {{"type", "NFKC"}};
       },
       "'normalizer.type' to be NFC, Prepend, Replace"},
      {[](Json& j) {
         j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}}}};
       },
       "'normalizer.normalizers[0].type'"},
      {[](Json& j) { j["pre_tokenizer"]["type"] = "BertPreTokenizer"; }, "'pre_tokenizer.type'"},
      {[](Json& j) { j["pre_tokenizer"] = nullptr; }, "'pre_tokenizer' to be or to end with ByteLevel"},
      {[&](Json& j) { j["pre_tokenizer"] = split(R"(\p{Han}+)"); }, R"(without '\p{Han}')"},
      {[&](Json& j) { j["pre_tokenizer"] = split(R"(\w+)"); }, R"(without '\w')"},
      {[&](Json& j) { j["pre_tokenizer"] = split("[a-z&&[^b]]"); }, "without '&&'"},
      {[&](Json& j) { j["pre_tokenizer"] = split("a{1,3}+"); }, "without '{1,3}+'"},
      {[&](Json& j) { j["pre_tokenizer"] = split("(?x: a)"); }, "without '(?x'"},
      {[&](Json& j) { j["pre_tokenizer"] = split("(a"); }, "regular expression"},
      {[&](Json& j) { j["pre_tokenizer"] = split("a*"); }, "at least one character"},
      {[&](Json& j) { j["pre_tokenizer"] = split("a", "MergedWithNext"); }, "pretokenizers[0].behavior'"},
      {[](Json& j) {
         j["decoder"] = {{"type", "Metaspace"}};
       },
       "'decoder.type'"},
      {[](Json& j) { j["model"]["dropout"] = 0.1; }, "'model.dropout'"},
      {[](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }, "'model.end_of_word_suffix'"},
      {[](Json& j) { j["model"]["vocab"]["A"] = -1; }, "'model.vocab.A'"},
      {[](Json& j) { j["model"]["vocab"]["A"] = 4000000000; }, "'model.vocab.A'"},
      {[](Json& j) { j["model"]["vocab"]["A"] = 66; }, "one token with id 66"},
      {[](Json& j) { j["model"]["merges"].push_back("x"); }, "'model.merges[21]'"},
      {[](Json& j) { j["model"]["merges"].push_back("x y"); }, "got 'xy'"},
      {[](Json& j) { j["model"].erase("merges"); }, "'model.merges'"},
      {[](Json& j) { j["added_tokens"] = {added_token(300, "<e>")}; }, "'added_tokens[0].id' to be 277"},
      {[](Json& j) { j["added_tokens"] = {added_token(277, "hello")}; }, "'added_tokens[0].id' to be 259"},
      {[](Json& j) {
         j["added_tokens"] = {{{"id", 277}}};
       },
       "'added_tokens[0].content'"},
  };
  for (const Row& row : rows) {
    Json json = tiny_bpe_json();
    row.change(json);
    const std::string error = error_of([&] { load_json(json); });
    CAPTURE(row.part);
    CAPTURE(error);
    CHECK(error.starts_with("[load_tokenizer] expected "));
    CHECK(holds(error, row.part));
    CHECK(holds(error, "tokenizer.json"));
  }
}

TEST_CASE("truncation, padding and post-processor sections change nothing") {
  Json json = tiny_bpe_json();
  json["truncation"] = {{"direction", "Right"}, {"max_length", 1}, {"strategy", "LongestFirst"}, {"stride", 0}};
  json["padding"] = {{"strategy", {{"Fixed", 64}}}, {"direction", "Right"}, {"pad_id", 0}};
  json["post_processor"] = {{"type", "TemplateProcessing"}, {"single", Json::array()}};
  CHECK(load_json(json)->encode("hello world") == std::vector<int64_t>{259, 264});
}
