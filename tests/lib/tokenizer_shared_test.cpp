#include <doctest/doctest.h>

#include <sstream>

#include "lib/core/files.h"
#include "tests/lib/tokenizer_mixed_text.h"
#include "tests/lib/tokenizer_support.h"
#include "tests/support/test_data.h"

using namespace tacit;

namespace {

// The tokenizer in a file of any name; nullptr when the test data is absent.
std::shared_ptr<const Tokenizer> load_data(const std::string& relative, const std::string& name = "tokenizer.json") {
  const auto path = test::data("tokenizers/" + relative);
  if (!path) return nullptr;
  const ScratchFolder folder;
  std::filesystem::create_symlink(std::filesystem::absolute(*path), folder / name);
  return load_tokenizer(folder.path());
}

void check(const Tokenizer& tokenizer, const std::vector<Golden>& rows) {
  for (const Golden& row : rows) {
    CAPTURE(row.text);
    CHECK(tokenizer.encode(row.text) == row.ids);
  }
}

constexpr const char* kSpaces = "a  b    c\n\n\tdef f(x):\n        return x'S";
constexpr const char* kAccents = "a\341\240\216b \341\240\216 caf\303\251 cafe\314\201 \342\204\253";
constexpr const char* kScripts =
    "\344\275\240\345\245\275 \360\237\221\250\342\200\215\360\237\221\251 \321\200\321\203\321\201 "
    "\360\261\215\220\340\244\203";

}  // namespace

TEST_CASE("GPT-2's tokenizer.json gives the reference's ids (HF tokenizers 0.23.3)") {
  const auto tokenizer = load_data("gpt2_hf_json/tokenizer.json");
  if (!tokenizer) return;
  CHECK(tokenizer->vocab_size() == 50257);
  check(*tokenizer, {
                        {"Hello world<|endoftext|> again", {15496, 995, 50256, 757}},
                        {kSpaces, {64,   220, 275, 220, 220, 220, 269, 628, 197, 4299, 277,  7, 87,
                                   2599, 198, 220, 220, 220, 220, 220, 220, 220, 1441, 2124, 6, 50}},
                        {kAccents, {64, 157, 254, 236, 65, 28053, 254, 236, 40304, 26725, 136, 223, 2343, 226, 104}},
                        {kScripts, {19526, 254,   25001, 121, 50169, 101, 447, 235, 41840, 102, 220,
                                    21169, 35072, 21727, 220, 172,   109, 235, 238, 11976, 225}},
                    });
  for (const std::string text : {"\xFF\xFE", "caf\xC3 \xE4\xBD", "\xED\xA0\x80<|endoftext|>\x80"}) {
    CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
  }
}

TEST_CASE("GPT-NeoX's tokenizer.json gives the reference's ids (HF tokenizers 0.23.3)") {
  const auto tokenizer = load_data("neox_hf/20B_tokenizer.json");
  if (!tokenizer) return;
  CHECK(tokenizer->vocab_size() == 50277);
  check(
      *tokenizer,
      {
          {"Hello world<|endoftext|> again", {12092, 1533, 0, 969}},
          {kSpaces, {66, 50276, 67, 50274, 68, 535, 186, 1545, 269, 9, 89, 2262, 187, 50270, 2309, 1269, 8, 52}},
          {kAccents, {66, 157, 243, 225, 67, 209, 157, 243, 225, 36241, 36241, 17732}},
          {kScripts,
           {24553, 34439, 22692, 228, 103, 325, 224, 14931, 228, 104, 9160, 46640, 209, 172, 111, 224, 227, 2483, 214}},
      });
}

TEST_CASE("Mistral's tokenizer.model gives SentencePiece's ids") {
  const auto tokenizer = load_data("mistral_spm/tokenizer.model.v1", "tokenizer.model");
  if (!tokenizer) return;
  CHECK(tokenizer->vocab_size() == 32000);
  check(*tokenizer,
        {
            {"Hello world  twice", {22557, 1526, 28705, 8660}},
            {"na\303\257ve \344\275\240 \360\237\230\200\n", {1879, 28920, 333, 28705, 29383, 28705, 30575, 13}},
        });
  CHECK(tokenizer->decode(std::vector<int64_t>{22557, 1526, 28705, 8660}) == "Hello world  twice");
}

TEST_CASE("tokens added to Mistral's tokenizer.model: ids of HF's SentencePiece backend (transformers 5.24.0)") {
  const auto model = test::data("tokenizers/mistral_spm/tokenizer.model.v1");
  if (!model) return;
  const ScratchFolder folder;
  std::filesystem::create_symlink(std::filesystem::absolute(*model), folder / "tokenizer.model");
  put(folder / "added_tokens.json", R"({"<bot>": 32000, "<eot>": 32001, "<bot>s": 32002})");
  const auto tokenizer = load_tokenizer(folder.path());
  check(*tokenizer,
        {
            {"Hello<bot> world <eot>x\n<bot>s<bot>", {22557, 32000, 28705, 1526, 28705, 32001, 1318, 13, 32002, 32000}},
            {"<bot>", {32000}},
            {"  <eot>  a", {2287, 32001, 259, 264}},
            {"\u00E9<bot>\u00E9<", {1233, 32000, 1233, 28789}},
            {"a<bot>\u0301b", {264, 32000, 28705, 28949, 28726}},
        });
}

TEST_CASE("SentencePiece with byte fallback and no normaliser gives text back, its own space sign aside") {
  for (const char* file :
       {"mistral_spm/tokenizer.model.v1", "mistral_spm/mistral_instruct_tokenizer_240323.model.v3"}) {
    const auto tokenizer = load_data(file, "tokenizer.model");
    if (!tokenizer) return;
    for (const std::string text :
         {"Hello  world", " x \n\t y ", "\u4F60\u597D \U0001F468\u200D\U0001F469 e\u0301 \u180E\uFFFD\uE000",
          "int main() {\r\n\treturn 0;\n}", "\x01\x7F", ""}) {
      CAPTURE(text);
      CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
    }
  }
}

TEST_CASE("published vectors of SentencePiece's own test models") {
  const auto english = load_data("sentencepiece_tests/test_model.model", "tokenizer.model");
  const auto japanese = load_data("sentencepiece_tests/test_ja_model.model", "tokenizer.model");
  if (!english || !japanese) return;
  // github.com/google/sentencepiece, python/test/sentencepiece_test.py: test_load, test_roundtrip, test_ja_load
  CHECK(english->vocab_size() == 1000);
  CHECK(japanese->vocab_size() == 8000);
  for (const auto& tokenizer : {english, japanese}) {
    CHECK(tokenizer->id_of("<unk>") == 0);
    CHECK(tokenizer->id_of("<s>") == 1);
    CHECK(tokenizer->id_of("</s>") == 2);
    CHECK(tokenizer->token(1) == "<s>");
    for (int64_t id = 0; id < tokenizer->vocab_size(); ++id) REQUIRE(tokenizer->id_of(tokenizer->token(id)) == id);
  }
  for (const std::string text : {"I saw a girl with a telescope.", "hello world"})
    CHECK(english->decode(english->encode(text)) == text);
  const std::string text = "\u6E05\u6C34\u5BFA\u306F\u4EAC\u90FD\u306B\u3042\u308B\u3002";
  CHECK(japanese->decode(japanese->encode(text)) == text);
}

TEST_CASE("published vector and vocabulary of seqio's test model") {
  const auto tokenizer = load_data("seqio_spm/sentencepiece.model", "tokenizer.model");
  const auto vocabulary = test::data("tokenizers/seqio_spm/sentencepiece.vocab");
  if (!tokenizer || !vocabulary) return;
  // github.com/google/seqio, seqio/vocabularies_test.py: SentencepieceVocabularyTest
  CHECK(tokenizer->vocab_size() == 26);
  check(*tokenizer, {{"this is a test", {11, 8, 6, 3, 8, 6, 3, 5, 10}}});
  CHECK(tokenizer->decode(tokenizer->encode("this is a test")) == "this is a test");
  int64_t id = 0;
  for_each_line(*vocabulary, "test", [&](std::string_view line, int64_t) {
    CHECK(tokenizer->token(id++) == line.substr(0, line.find('\t')));
  });
  CHECK(id == 26);
}

TEST_CASE("vocab.json and merges.txt are the tokenizer.json beside them") {
  const auto tokenizer = load_data("gpt2_hf_json/tokenizer.json");
  const auto folder = test::data("tokenizers/gpt2_hf_json");
  if (!tokenizer || !folder) return;
  const ScratchFolder older;
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    std::filesystem::create_symlink(std::filesystem::absolute(*folder / name), older / name);
  const auto other = load_tokenizer(older.path());
  const Json spec =
      read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures/tokenizer/mixed_text.json", "test");
  const std::string text = mixed_text(spec);
  CHECK((other->encode(text) == tokenizer->encode(text)));
  CHECK(other->vocab_size() == tokenizer->vocab_size());
  for (int64_t id = 0; id < other->vocab_size(); ++id) REQUIRE(other->token(id) == tokenizer->token(id));
}

TEST_CASE("published GPT-2 vectors: swift-transformers") {
  const auto tokenizer = load_data("gpt2_hf_json/tokenizer.json");
  const auto vectors = test::data("tokenizers/swift_vectors/tokenizer_tests.json");
  const auto text = test::data("tokenizers/swift_vectors/gpt2_encoded_tokens.json");
  if (!tokenizer || !vectors || !text) return;
  int rows = 0;
  const Json all = read_json(*vectors, "test");
  for (const Json& row : all.at("distilgpt2")) {
    CAPTURE(row.dump());
    CHECK(tokenizer->encode(row.at("input").get<std::string>()) ==
          row.at("encoded").at("input_ids").get<std::vector<int64_t>>());
    ++rows;
  }
  CHECK(rows == 18);
  // Whisper's English tokenizer is GPT-2's with other special tokens:
  // <|startoftranscript|><|notimestamps|>..<|endoftext|>.
  for (const Json& row : all.at("openai/whisper-tiny.en")) {
    CAPTURE(row.dump());
    const auto ids = row.at("encoded").at("input_ids").get<std::vector<int64_t>>();
    const auto input = row.at("input").get<std::string>();
    CHECK(tokenizer->encode(input) == std::vector<int64_t>(ids.begin() + 2, ids.end() - 1));
    CHECK(tokenizer->decode(std::span(ids).subspan(2, ids.size() - 3)) == input);
  }
  const Json article = read_json(*text, "test");
  const auto ids = article.at("token_ids").get<std::vector<int64_t>>();
  CHECK(tokenizer->encode(article.at("text").get<std::string>()) == ids);
  CHECK(tokenizer->decode(ids) == article.at("text").get<std::string>());
}

TEST_CASE("published GPT-2 vectors: ggml") {
  const auto tokenizer = load_data("gpt2_hf_json/tokenizer.json");
  const auto inputs = test::data("tokenizers/ggml_vectors/ggml-vocab-gpt-2.gguf.inp");
  const auto outputs = test::data("tokenizers/ggml_vectors/ggml-vocab-gpt-2.gguf.out");
  if (!tokenizer || !inputs || !outputs) return;
  const std::string separator = "\n__ggml_vocab_test__\n", text = read_file(*inputs, "test");
  std::istringstream lines(read_file(*outputs, "test"));
  int rows = 0;
  for (size_t begin = 0, end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size()) {
    std::string line;
    REQUIRE(std::getline(lines, line));
    std::istringstream numbers(line);
    std::vector<int64_t> ids;
    for (int64_t id; numbers >> id;) ids.push_back(id);
    const std::string input = text.substr(begin, end - begin);
    CAPTURE(input);
    CHECK(tokenizer->encode(input) == ids);
    ++rows;
  }
  CHECK(rows > 30);
}
