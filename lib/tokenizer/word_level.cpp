#include "lib/tokenizer/word_level.h"

#include <unordered_set>

#include "lib/core/error.h"
#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

void check_words(const std::vector<std::string>& words, std::string_view unknown) {
  constexpr const char* operation = "make_word_tokenizer";
  std::unordered_set<std::string_view> seen;
  for (const std::string& word : words) {
    require(!word.empty() && valid_utf8_prefix(word) == word.size(), operation,
            "expected words of valid UTF-8 but got an empty or invalid one at id ", seen.size());
    for (size_t i = 0; i < word.size();) {
      const CodePoint next = code_point_at(word, i);
      require(!is_white_space(next.value), operation, "expected words without white space but got '", word, "'");
      i += static_cast<size_t>(next.bytes);
    }
    require(seen.insert(word).second, operation, "expected each word once but got '", word, "' twice");
  }
  require(unknown.empty() || seen.contains(unknown), operation, "expected the unknown token among the words but got '",
          unknown, "'");
}

}  // namespace

WordLevel::WordLevel(const Json& json, const std::string& source)
    : pipeline_(JsonReader(json, kLoadTokenizer, source), source) {
  const JsonReader file(json, kLoadTokenizer, source);
  if (!file.has("pre_tokenizer") || pipeline_.byte_level()) file.reject("pre_tokenizer", "to be WhitespaceSplit");
  if (file.has("decoder")) file.reject("decoder", "to be null for WordLevel");
  unknown_ = pipeline_.vocabulary().find_in_model(file.object("model").string("unk_token", ""));
}

std::vector<int64_t> WordLevel::encode(std::string_view text) const {
  return pipeline_.encode(text, [this](std::string_view word, std::vector<int64_t>& ids) {
    const std::optional<int64_t> id = pipeline_.vocabulary().find_in_model(word);
    if (!id && !unknown_) fail("tokenize", "expected words of the vocabulary but got '", word, "'");
    ids.push_back(id ? *id : *unknown_);
  });
}

std::string WordLevel::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) text += ' ';
    text += pipeline_.vocabulary().token(ids[i]);
  }
  return text;
}

std::string word_tokenizer_json(const std::vector<std::string>& words, std::string_view unknown) {
  check_words(words, unknown);
  OrderedJson vocabulary = OrderedJson::object();
  for (size_t id = 0; id < words.size(); ++id) vocabulary.get_ref<OrderedJson::object_t&>().emplace_back(words[id], id);
  const OrderedJson json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", OrderedJson::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"post_processor", nullptr},
      {"decoder", nullptr},
      {"model", {{"type", "WordLevel"}, {"vocab", std::move(vocabulary)}, {"unk_token", unknown}}},
  };
  return json.dump(2) + "\n";
}

std::shared_ptr<const Tokenizer> make_word_tokenizer(const std::vector<std::string>& words, std::string_view unknown) {
  const std::string source = "a list of words";
  return std::make_shared<const WordLevel>(parse_json(word_tokenizer_json(words, unknown), kLoadTokenizer, source),
                                           source);
}

}  // namespace tacit
