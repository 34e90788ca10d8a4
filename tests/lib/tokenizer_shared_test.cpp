#include <doctest/doctest.h>

#include <sstream>

#include "lib/core/files.h"
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
