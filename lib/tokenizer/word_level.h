#pragma once

#include <string>

#include "lib/tokenizer/text_pipeline.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {

// One token a word: tokenizer.json with model "WordLevel". A word outside the vocabulary is the unknown token, and an
// error that names it when there is none. decode joins the tokens with single spaces.
class WordLevel final : public Tokenizer {
 public:
  WordLevel(const Json& json, const std::string& source);

  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(std::span<const int64_t> ids) const override;
  int64_t vocab_size() const override { return pipeline_.vocabulary().size(); }
  std::string token(int64_t id) const override { return pipeline_.vocabulary().token(id); }
  std::optional<int64_t> id_of(std::string_view token) const override { return pipeline_.vocabulary().find(token); }

 private:
  TextPipeline pipeline_;
  std::optional<int64_t> unknown_;
};

}  // namespace tacit
