#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// Text <-> token ids, read from the checkpoint's own files. Immutable and safe to share between threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text`. No BOS or EOS is added; special tokens written in the text are recognised.
  // Equals HF `encode(add_special_tokens=False)` for tokenizer.json, `SentencePieceProcessor.encode` for
  // tokenizer.model.
  virtual std::vector<int64_t> encode(std::string_view text) const = 0;

  // Text of `ids`, special tokens kept. Fails on an id outside the vocabulary.
  virtual std::string decode(std::span<const int64_t> ids) const = 0;

  virtual int64_t vocab_size() const = 0;           // largest id + 1, added tokens included
  virtual std::string token(int64_t id) const = 0;  // the vocabulary's own string; fails outside
  virtual std::optional<int64_t> id_of(
      std::string_view token) const = 0;  // exact vocabulary string, added tokens included

  // id_of, but fails with `operation` and the token when the vocabulary lacks it.
  int64_t require_id(std::string_view token, std::string_view operation) const;
};

// Reads tokenizer.json (models "BPE" with byte level or byte fallback, and "WordLevel") if the directory has one, else
// tokenizer.model (SentencePiece), else vocab.json with merges.txt. Fails naming what was looked for, and on any
// component of tokenizer.json that is not supported: a tokenizer that would silently give other ids is refused.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& directory);

// Whether the directory has any of these files.
bool has_tokenizer(const std::filesystem::path& directory);

// A word-level tokenizer over `words` (ids in order), split at white space, and its tokenizer.json in HF's format.
std::shared_ptr<const Tokenizer> make_word_tokenizer(const std::vector<std::string>& words,
                                                     std::string_view unknown = "");
std::string word_tokenizer_json(const std::vector<std::string>& words, std::string_view unknown = "");

}  // namespace tacit
