#include "lib/tokenizer/tokenizer.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/core/json.h"
#include "lib/tokenizer/byte_fallback_bpe.h"
#include "lib/tokenizer/byte_level_bpe.h"
#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/older_files.h"
#include "lib/tokenizer/sentence_piece.h"
#include "lib/tokenizer/tokenizer_json.h"
#include "lib/tokenizer/word_level.h"

namespace tacit {
namespace {

bool holds_byte_level(const Json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return false;
  if (pre_tokenizer.value("type", Json()) == "ByteLevel") return true;
  const Json parts = pre_tokenizer.value("pretokenizers", Json::array());
  return std::ranges::any_of(parts, holds_byte_level);
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_json(const Json& json, const std::string& source) {
  const JsonReader file(json, kLoadTokenizer, source);
  if (file.has("version") && file.string("version") != "1.0") file.reject("version", "to be \"1.0\"");
  const JsonReader model = file.object("model");
  // Early files name no type: only byte-pair encoding has merges.
  const std::string type = model.string("type", model.has("merges") ? "BPE" : "");
  if (type == "BPE" && model.boolean("byte_fallback", false) && !holds_byte_level(json.value("pre_tokenizer", Json())))
    return std::make_shared<const ByteFallbackBpe>(json, source);
  if (type == "BPE") return std::make_shared<const ByteLevelBpe>(json, source);
  if (type == "WordLevel") return std::make_shared<const WordLevel>(json, source);
  model.reject("type", "to be BPE or WordLevel");
}

int64_t Tokenizer::require_id(std::string_view token, std::string_view operation) const {
  const std::optional<int64_t> id = id_of(token);
  require(id.has_value(), operation, "expected a vocabulary with the token '", token, "' but got one of ", vocab_size(),
          " tokens without it");
  return *id;
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& directory) {
  const std::filesystem::path json = directory / "tokenizer.json", model = directory / "tokenizer.model",
                              vocabulary = directory / "vocab.json";
  if (exists(json)) return tokenizer_from_json(read_json(json, kLoadTokenizer), json.string());
  if (exists(model)) return load_sentence_piece(model);
  if (exists(vocabulary) && exists(directory / "merges.txt"))
    return tokenizer_from_json(read_vocab_and_merges(directory), vocabulary.string());
  fail(kLoadTokenizer, "expected tokenizer.json, tokenizer.model or vocab.json with merges.txt but got none in ",
       directory.string());
}

bool has_tokenizer(const std::filesystem::path& directory) {
  return exists(directory / "tokenizer.json") || exists(directory / "tokenizer.model") ||
         (exists(directory / "vocab.json") && exists(directory / "merges.txt"));
}

}  // namespace tacit
