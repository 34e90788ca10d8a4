#pragma once

#include <array>
#include <memory>
#include <string>
#include <unordered_map>

#include "lib/tokenizer/bpe_merges.h"
#include "lib/tokenizer/text_pipeline.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// Byte-pair encoding over the bytes of the text (GPT-2 and its heirs): tokenizer.json with model "BPE" and
// pre-tokenizer ByteLevel. Every byte string survives encode and decode, also invalid UTF-8, unless the file asks for a
// normaliser, an added prefix space or a pre-tokenizer that removes text. Some vocabularies (GPT-NeoX's) have no tokens
// for the 13 bytes that UTF-8 never uses: each such byte of an invalid text is read as U+FFFD.
class ByteLevelBpe final : public Tokenizer {
 public:
  ByteLevelBpe(const Json& json, const std::string& source);

  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  int64_t vocab_size() const override { return pipeline_.vocabulary().size(); }
  std::string token(int64_t id) const override { return pipeline_.vocabulary().token(id); }
  std::optional<int64_t> id_of(std::string_view token) const override { return pipeline_.vocabulary().find(token); }

 private:
  static constexpr int32_t kMissing = -1;

  void read_symbols(const JsonReader& model);
  void read_unknown(const JsonReader& model);
  void find_whole_words();
  std::vector<int32_t> symbols_of(std::string_view piece) const;
  void encode_piece(std::string_view piece, std::vector<int64_t>& ids) const;

  TextPipeline pipeline_;
  bool ignore_merges_ = false, fuse_unknown_ = false;
  int32_t unknown_ = kMissing;
  std::array<int32_t, 256> byte_ids_{};  // kMissing where the vocabulary lacks the byte
  std::vector<int32_t> replacement_;     // U+FFFD, for bytes that neither UTF-8 nor the vocabulary has
  std::vector<std::string> bytes_;       // by id: what decode gives
  BpeMerges merges_;

  // Pieces that end as one token, which most do. Filled once, so that encoding needs no cache that changes.
  std::unordered_map<std::string_view, int32_t> whole_words_;  // views into bytes_
};

}  // namespace tacit
