#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "lib/tokenizer/bpe_merges.h"
#include "lib/tokenizer/text_pipeline.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// Byte-pair encoding over characters, with a token for each byte where a character has none: what HF makes of a
// SentencePiece model (Llama 2, Mistral, Gemma). tokenizer.json with model "BPE" and "byte_fallback", spaces written as
// U+2581 by its normaliser or by Metaspace. Invalid UTF-8 goes through as bytes.
class ByteFallbackBpe final : public Tokenizer {
 public:
  ByteFallbackBpe(const Json& json, const std::string& source);

  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  int64_t vocab_size() const override { return pipeline_.vocabulary().size(); }
  std::string token(int64_t id) const override { return pipeline_.vocabulary().token(id); }
  std::optional<int64_t> id_of(std::string_view token) const override { return pipeline_.vocabulary().find(token); }

 private:
  void read_symbols(const JsonReader& model);
  void read_decoder(const JsonReader& file, const std::string& source);
  void find_joins();
  void append_symbols(std::string_view piece, std::vector<int32_t>& symbols) const;
  void encode_piece(std::string_view piece, std::vector<int64_t>& ids) const;

  TextPipeline pipeline_;
  bool ignore_merges_ = false;
  std::unordered_map<char32_t, int32_t> characters_;
  std::vector<int32_t> bytes_;        // by byte
  std::vector<std::string> decoded_;  // by id
  size_t strip_ = 0;                  // leading spaces that decode drops, at most
  BpeMerges merges_;

  // Pairs of characters (as symbols) that some rule can bring into one token. Between any other two the piece, which
  // may be the whole text, is cut before merging: what stands on one side can have no part in the other.
  BpeMerges joins_;
};

}  // namespace tacit
