#include "lib/tokenizer/sentence_piece.h"

#include <sentencepiece_processor.h>

#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

class SentencePiece final : public Tokenizer {
 public:
  explicit SentencePiece(const std::filesystem::path& path) {
    const std::string operation = "load_tokenizer";
    const auto status = processor_.LoadFromSerializedProto(read_file(path, operation));
    require(status.ok(), operation, "expected a SentencePiece model but got ", status.ToString(), " in ",
            path.string());
  }

  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int> ids;
    const auto status = processor_.Encode(text, &ids);
    require(status.ok(), "tokenize", "expected text that SentencePiece encodes but got ", status.ToString());
    return {ids.begin(), ids.end()};
  }

  std::string decode(std::span<const int64_t> ids) const override {
    std::vector<int> narrow;
    narrow.reserve(ids.size());
    for (const int64_t id : ids) narrow.push_back(checked(id));
    std::string text;
    const auto status = processor_.Decode(narrow, &text);
    require(status.ok(), "decode", "expected ids that SentencePiece decodes but got ", status.ToString());
    return text;
  }

  int64_t vocab_size() const override { return processor_.GetPieceSize(); }
  std::string token(int64_t id) const override { return processor_.IdToPiece(checked(id)); }

  std::optional<int64_t> id_of(std::string_view token) const override {
    const int id = processor_.PieceToId(token);  // the unknown id for a token it lacks
    if (processor_.IsUnknown(id) && processor_.IdToPiece(id) != token) return std::nullopt;
    return id;
  }

 private:
  int checked(int64_t id) const {
    require(id >= 0 && id < vocab_size(), "decode", "expected a token id of the vocabulary (0 to ", vocab_size() - 1,
            ") but got ", id);
    return static_cast<int>(id);
  }

  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::shared_ptr<const Tokenizer> load_sentence_piece(const std::filesystem::path& path) {
  return std::make_shared<const SentencePiece>(path);
}

}  // namespace tacit
