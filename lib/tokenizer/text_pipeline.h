#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/json.h"
#include "lib/tokenizer/added_tokens.h"
#include "lib/tokenizer/pre_tokenizer.h"
#include "lib/tokenizer/vocabulary.h"

namespace tacit {

// What the models of tokenizer.json have in common: text -> added tokens, normalised text, pieces for the model.
class TextPipeline {
 public:
  TextPipeline(const JsonReader& file, const std::string& source);

  // Appends the ids of `text`; `model(piece, ids)` appends those of one piece.
  using Model = std::function<void(std::string_view piece, std::vector<int64_t>& ids)>;
  std::vector<int64_t> encode(std::string_view text, const Model& model) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  bool byte_level() const { return pre_tokenizer_.byte_level(); }

 private:
  Vocabulary vocabulary_;
  AddedTokens added_tokens_;
  PreTokenizer pre_tokenizer_;
};

}  // namespace tacit
