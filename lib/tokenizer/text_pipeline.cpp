#include "lib/tokenizer/text_pipeline.h"

namespace tacit {

TextPipeline::TextPipeline(const JsonReader& file, const std::string& source)
    : vocabulary_(file, source),
      added_tokens_(vocabulary_.added(), Normalizer(file, source)),
      pre_tokenizer_(file, source) {}

std::vector<int64_t> TextPipeline::encode(std::string_view text, const Model& model) const {
  std::vector<int64_t> ids;
  ids.reserve(text.size() / 4 + 1);
  const PreTokenizer::Piece piece = [&](std::string_view part) { model(part, ids); };
  bool at_start = true;
  added_tokens_.split(text, [&](const AddedTokens::Part& part) {
    if (part.id >= 0)
      ids.push_back(part.id);
    else
      pre_tokenizer_.split(part.text, at_start, piece);
    at_start = false;
  });
  return ids;
}

}  // namespace tacit
