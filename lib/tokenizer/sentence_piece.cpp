#include "lib/tokenizer/sentence_piece.h"

#include <sentencepiece_processor.h>

#include <unordered_map>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/tokenizer/added_tokens.h"
#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/older_files.h"

namespace tacit {
namespace {

class SentencePiece final : public Tokenizer {
 public:
  explicit SentencePiece(const std::filesystem::path& path) {
    const auto status = processor_.LoadFromSerializedProto(read_file(path, kLoadTokenizer));
    require(status.ok(), kLoadTokenizer, "expected a SentencePiece model but got ", status.ToString(), " in ",
            path.string());
    pieces_ = vocab_size_ = processor_.GetPieceSize();
    read_added(path.parent_path());
  }

  std::vector<int64_t> encode(std::string_view text) const override {
    std::vector<int64_t> ids;
    if (added_ids_.empty()) {  // also for a text of no bytes, from which the split makes no part
      encode_part(text, ids);
      return ids;
    }
    added_.split(text, [&](const AddedTokens::Part& part) {
      if (part.id >= 0)
        ids.push_back(part.id);
      else
        encode_part(part.text, ids);
    });
    return ids;
  }

  std::string decode(std::span<const int64_t> ids) const override {
    std::string text;
    std::vector<int> part;
    for (const int64_t id : ids) {
      if (checked(id) < pieces_) {
        part.push_back(static_cast<int>(id));
        continue;
      }
      decode_part(part, text);
      text += added_by_id_.at(id);
    }
    decode_part(part, text);
    return text;
  }

  int64_t vocab_size() const override { return vocab_size_; }

  std::string token(int64_t id) const override {
    return checked(id) < pieces_ ? processor_.IdToPiece(static_cast<int>(id)) : added_by_id_.at(id);
  }

  std::optional<int64_t> id_of(std::string_view token) const override {
    if (const auto found = added_ids_.find(std::string(token)); found != added_ids_.end()) return found->second;
    const int id = processor_.PieceToId(token);  // the unknown id for a token it lacks
    if (processor_.IsUnknown(id) && processor_.IdToPiece(id) != token) return std::nullopt;
    return id;
  }

 private:
  // The tokens that the checkpoint added behind the model's own pieces.
  void read_added(const std::filesystem::path& directory) {
    std::vector<AddedToken> tokens;
    const Json entries = read_added_tokens(directory);
    for (const Json& json : entries) {
      const JsonReader entry(json, kLoadTokenizer, directory.string(), "added_tokens");
      AddedToken token{.id = entry.integer("id"), .content = entry.string("content"), .normalized = false};
      if (token.id < pieces_) continue;  // one of the model's pieces, which libsentencepiece treats as it does
      for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
        if (entry.boolean(flag, false)) entry.reject(flag, "to be false beside tokenizer.model");
      }
      const std::optional<int64_t> known = id_of(token.content);
      require(!known, kLoadTokenizer, "expected '", token.content, "' to be token ", known.value_or(0), " but got ",
              token.id, " in ", directory.string());
      added_ids_.emplace(token.content, token.id);
      added_by_id_.emplace(token.id, token.content);
      vocab_size_ = token.id + 1;  // in order of their ids
      tokens.push_back(std::move(token));
    }
    added_ = AddedTokens(std::move(tokens));
  }

  void encode_part(std::string_view text, std::vector<int64_t>& ids) const {
    std::vector<int> part;
    const auto status = processor_.Encode(text, &part);
    require(status.ok(), "tokenize", "expected text that SentencePiece encodes but got ", status.ToString());
    ids.insert(ids.end(), part.begin(), part.end());
  }

  // Appends the text of `part` and empties it.
  void decode_part(std::vector<int>& part, std::string& text) const {
    if (part.empty()) return;
    std::string decoded;
    const auto status = processor_.Decode(part, &decoded);
    require(status.ok(), "decode", "expected ids that SentencePiece decodes but got ", status.ToString());
    text += decoded;
    part.clear();
  }

  int64_t checked(int64_t id) const {
    require(id >= 0 && (id < pieces_ || added_by_id_.contains(id)), "decode",
            "expected a token id of the vocabulary (0 to ", vocab_size() - 1, ") but got ", id);
    return id;
  }

  sentencepiece::SentencePieceProcessor processor_;
  int64_t pieces_ = 0, vocab_size_ = 0;
  AddedTokens added_;
  std::unordered_map<std::string, int64_t> added_ids_;
  std::unordered_map<int64_t, std::string> added_by_id_;
};

}  // namespace

std::shared_ptr<const Tokenizer> load_sentence_piece(const std::filesystem::path& path) {
  return std::make_shared<const SentencePiece>(path);
}

}  // namespace tacit
