#include "lib/tokenizer/text_pipeline.h"

#include "lib/core/error.h"

namespace tacit {
namespace {

Normalizer read_normalizer(const JsonReader& section, const std::string& source) {
  const std::string type = section.string("type");
  if (type == "NFC") return Normalizer::nfc;
  if (type != "Sequence") section.reject("type", "to be NFC or a Sequence of it");
  Normalizer result = Normalizer::none;
  if (!section.has("normalizers") || !section.json()["normalizers"].is_array())
    section.reject("normalizers", "to be a list");
  for (size_t i = 0; i < section.json()["normalizers"].size(); ++i) {
    const std::string path = section.path("normalizers[" + std::to_string(i) + "]");
    const JsonReader entry(section.json()["normalizers"][i], "load_tokenizer", source, path);
    if (read_normalizer(entry, source) == Normalizer::nfc) result = Normalizer::nfc;
  }
  return result;
}

Normalizer normalizer_of(const JsonReader& file, const std::string& source) {
  if (!file.has("normalizer")) return Normalizer::none;
  return read_normalizer(file.object("normalizer"), source);
}

}  // namespace

TextPipeline::TextPipeline(const JsonReader& file, const std::string& source)
    : vocabulary_(file, source),
      added_tokens_(vocabulary_.added(), normalizer_of(file, source)),
      pre_tokenizer_(file, source) {}

std::vector<int64_t> TextPipeline::encode(std::string_view text, const Model& model) const {
  std::vector<int64_t> ids;
  ids.reserve(text.size() / 4 + 1);
  const PreTokenizer::Piece piece = [&](std::string_view part) { model(part, ids); };
  added_tokens_.split(text, [&](const AddedTokens::Part& part) {
    if (part.id >= 0)
      ids.push_back(part.id);
    else
      pre_tokenizer_.split(part.text, piece);
  });
  return ids;
}

}  // namespace tacit
