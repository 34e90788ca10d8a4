#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "lib/core/files.h"
#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "lib/model/llama2c.h"
#include "lib/tokenizer/tokenizer.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

template <class Value>
void put_value(std::string& to, Value value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof value);
}

constexpr int kDim = 8, kHidden = 12, kLayers = 2, kStoryHeads = 2, kStoryKvHeads = 1, kVocab = 5, kPositions = 16;
const std::vector<int32_t> kHeader = {kDim, kHidden, kLayers, kStoryHeads, kStoryKvHeads, kVocab, kPositions};

// A llama2.c file with random weights.
std::string llama2c_file(const std::vector<int32_t>& header) {
  std::string file;
  for (int32_t value : header) put_value(file, value);
  const int64_t kv_dim = kDim / kStoryHeads * kStoryKvHeads, vocab = std::abs(header[5]);
  const int64_t layer = kDim + 2 * kDim * kDim + 2 * kv_dim * kDim + kDim + 3 * kHidden * kDim;
  const int64_t count =
      vocab * kDim + kLayers * layer + kDim + kPositions * (kDim / kStoryHeads) + (header[5] < 0 ? vocab * kDim : 0);
  Rng rng(3);
  for (int64_t i = 0; i < count; ++i) put_value(file, static_cast<float>(rng.normal()));
  return file;
}

std::string tokenizer_file(const std::vector<std::string>& pieces, int32_t longest = 7) {
  std::string file;
  put_value(file, longest);
  float score = 0;
  for (const std::string& piece : pieces) {
    put_value(file, score--);
    put_value(file, static_cast<int32_t>(piece.size()));
    file += piece;
  }
  return file;
}

const std::vector<std::string> kPieces = {"<unk>", "\n<s>\n", "\n</s>\n", " ", "a"};

std::string with(std::vector<int32_t> header, size_t field, int32_t value) {
  header[field] = value;
  return llama2c_file(kHeader).replace(0, 28, reinterpret_cast<const char*>(header.data()), 28);
}

}  // namespace

TEST_CASE("llama2.c checkpoints: a broken file is named with its byte and nothing is written") {
  const std::string good = llama2c_file(kHeader);
  struct Case {
    std::string file, message;
  };
  const std::vector<Case> cases = {
      {"", "the file ends at byte 0"},
      {good.substr(0, 27), "header of 28 bytes but the file ends at byte 27"},
      {good.substr(0, 28), "expected token_embedding [5, 8] at byte 28 but the file ends at byte 28"},
      {good.substr(0, 1000), "but the file ends at byte 1000"},
      {good.substr(0, good.size() - 1), "freq_cis_imag [16, 2]"},
      {good + "x", "1 bytes more"},
      {with(kHeader, 0, 0), "expected dim of 1 to 1048576 at byte 0 but got 0"},
      {with(kHeader, 2, -3), "expected n_layers of 1 to 4096 at byte 8 but got -3"},
      {with(kHeader, 3, 3), "expected n_heads (byte 12) to divide dim 8"},
      {with(kHeader, 4, 3), "expected n_kv_heads (byte 16) to divide n_heads 2"},
      {with(kHeader, 5, 0), "expected vocab_size of 1 to"},
      {with(kHeader, 5, -kVocab), "expected wcls [5, 8]"},
      {with(kHeader, 6, -1), "expected seq_len of 1 to"},
      {with({1 << 20, 1 << 22, 4096, 1, 1, 1 << 24, 1 << 24}, 0, 1 << 20),
       "expected token_embedding [16777216, 1048576]"},
  };
  for (const Case& c : cases) {
    const ScratchFolder scratch;
    put(scratch / "model.bin", c.file);
    const std::string error = error_of([&] { convert_llama2c({scratch / "model.bin", "", scratch / "out"}); });
    CAPTURE(c.message);
    CAPTURE(error);
    CHECK(holds(error, c.message));
    CHECK(holds(error, "model.bin"));
    CHECK(scratch.names().size() == 1);
  }
}

TEST_CASE("llama2.c tokenizers: a broken file is named with its byte and nothing is written") {
  const std::string good = tokenizer_file(kPieces);
  std::vector<std::string> some_bytes = kPieces;
  some_bytes[4] = "<0x41>";
  struct Case {
    std::string file, message;
  };
  const std::vector<Case> cases = {
      {"", "the longest token's length at byte 0"},
      {good.substr(0, 6), "a token's score at byte 4 but the file ends at byte 6"},
      {good.substr(0, good.size() - 1), "of token 4"},
      {good + "x", "expected 5 tokens, as many as the checkpoint has, but got 1 bytes more"},
      {tokenizer_file(kPieces, 5), "expected a length of 1 to 5 for token 2"},
      {tokenizer_file({"<unk>", "\n<s>\n", "\n</s>\n", "", "a"}), "expected a length of 1 to 7 for token 3"},
      {tokenizer_file(some_bytes), "expected 256 byte tokens"},
  };
  for (const Case& c : cases) {
    const ScratchFolder scratch;
    put(scratch / "model.bin", llama2c_file(kHeader));
    put(scratch / "tok.bin", c.file);
    const std::string error = error_of([&] {
      convert_llama2c({scratch / "model.bin", scratch / "tok.bin", scratch / "out"});
    });
    CAPTURE(c.message);
    CAPTURE(error);
    CHECK(holds(error, c.message));
    CHECK(holds(error, "tok.bin"));
    CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  }
}

TEST_CASE("a folder that holds a checkpoint is not converted into") {
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer.model", "model-00001-of-00002.safetensors"}) {
    const ScratchFolder scratch;
    put(scratch / "model.bin", llama2c_file(kHeader));
    std::filesystem::create_directory(scratch / "out");
    put(scratch / "out" / name, "theirs");
    const std::string error = error_of([&] { convert_llama2c({scratch / "model.bin", "", scratch / "out"}); });
    CAPTURE(error);
    CHECK(holds(error,
                "expected a folder without a checkpoint to write to but got " + (scratch / "out" / name).string()));
    CHECK(read_file(scratch / "out" / name, "test") == "theirs");
    CHECK(std::distance(std::filesystem::directory_iterator(scratch / "out"), {}) == 1);
  }
}

TEST_CASE("a llama2.c checkpoint keeps its weights, and a negative vocab_size its own classifier") {
  for (const bool tied : {true, false}) {
    const ScratchFolder scratch;
    std::vector<int32_t> header = kHeader;
    if (!tied) header[5] = -kVocab;
    const std::string file = llama2c_file(header);
    put(scratch / "model.bin", file);
    convert_llama2c({scratch / "model.bin", "", scratch / "out"});
    const auto model = load_model(scratch / "out");
    CHECK(model->config().tied_embeddings == tied);
    const at::Tensor embedding_VD = model->weights().at("embedding");
    float first = 0, last = 0;
    std::memcpy(&first, file.data() + 28, 4);
    CHECK(embedding_VD[0][0].item<float>() == first);
    if (!tied) {
      std::memcpy(&last, file.data() + file.size() - 4, 4);
      CHECK(model->unembedding()[kVocab - 1][kDim - 1].item<float>() == last);
    }
  }
}

TEST_CASE("a llama2.c tokenizer becomes a tokenizer.model that SentencePiece loads") {
  std::vector<std::string> pieces = {"<unk>", "\n<s>\n", "\n</s>\n"};
  for (int i = 0; i < 256; ++i) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", i);
    pieces.push_back(name);
  }
  for (const char* piece : {" t", "he", " the", " ", "t", "h", "e"}) pieces.push_back(piece);
  const ScratchFolder scratch;
  put(scratch / "tok.bin", tokenizer_file(pieces));
  put(scratch / "tokenizer.model", llama2c_tokenizer_model(scratch / "tok.bin", std::ssize(pieces)));
  const auto tokenizer = load_tokenizer(scratch.path());
  CHECK(tokenizer->vocab_size() == std::ssize(pieces));
  CHECK(tokenizer->token(1) == "<s>");
  CHECK(tokenizer->token(261) == "\xE2\x96\x81the");
  CHECK(tokenizer->encode("the") == std::vector<int64_t>{261});
  CHECK(tokenizer->encode("hey\n") == std::vector<int64_t>{262, 260, 3 + 'y', 3 + '\n'});
  CHECK(tokenizer->decode(std::vector<int64_t>{261, 3 + 'y', 3 + '\n'}) == "they\n");
}
