#include "lib/tokenizer/vocabulary.h"

#include <algorithm>

#include "lib/core/error.h"
#include "lib/tokenizer/load_tokenizer.h"

namespace tacit {
namespace {

constexpr int64_t kLargestId = (int64_t{1} << 24) - 1;  // 16 M tokens: more is a damaged file, not a vocabulary

}  // namespace

Vocabulary::Vocabulary(const JsonReader& file, const std::string& source) {
  read_model(file.object("model"), source);
  read_added(file, source);
}

void Vocabulary::read_model(const JsonReader& model, const std::string& source) {
  const JsonReader vocabulary = model.object("vocab");
  int64_t largest = -1;
  for (const auto& [token, id] : vocabulary.json().items()) {
    if (!id.is_number_integer() || id < 0 || id > kLargestId) {
      vocabulary.reject(token, "to be an id from 0 to " + std::to_string(kLargestId));
    }
    largest = std::max(largest, id.get<int64_t>());
  }
  tokens_.resize(static_cast<size_t>(largest + 1));
  present_.resize(tokens_.size());
  only_added_.resize(tokens_.size());
  ids_.reserve(vocabulary.json().size());
  for (const auto& [token, value] : vocabulary.json().items()) {
    const auto id = value.get<size_t>();
    require(!present_[id], kLoadTokenizer, "expected one token with id ", id, " but got '", tokens_[id], "' and '",
            token, "' in ", source);
    present_[id] = true;
    tokens_[id] = token;
    ids_.emplace(token, value.get<int64_t>());
  }
}

void Vocabulary::read_added(const JsonReader& file, const std::string& source) {
  if (!file.has("added_tokens")) return;
  const Json& entries = file.json()["added_tokens"];
  if (!entries.is_array()) file.reject("added_tokens", "to be a list");
  // The reference numbers added tokens itself: the model's id, else the next free one. The file's id is what the
  // checkpoint was trained with, so a file where the two differ cannot be read in a way that is right for both.
  int64_t next = static_cast<int64_t>(ids_.size());
  std::unordered_map<int64_t, size_t> positions;  // id -> index in added_
  for (size_t i = 0; i < entries.size(); ++i) {
    const JsonReader entry(entries[i], kLoadTokenizer, source, "added_tokens[" + std::to_string(i) + "]");
    AddedToken token{.id = entry.integer_in("id", 0, kLargestId),
                     .content = entry.string("content"),
                     .single_word = entry.boolean("single_word", false),
                     .lstrip = entry.boolean("lstrip", false),
                     .rstrip = entry.boolean("rstrip", false),
                     .normalized = entry.boolean("normalized", true)};
    if (token.content.empty()) continue;
    const std::optional<int64_t> known = find(token.content);
    const int64_t expected = known ? *known : next++;
    if (token.id != expected)
      entry.reject("id", "to be " + std::to_string(expected) + ", the id of '" + token.content + "',");
    if (!known && has(expected)) entry.reject("content", "to be '" + tokens_[static_cast<size_t>(expected)] + "'");
    if (!known) place(token.content, token.id);
    const auto [position, is_new] = positions.emplace(token.id, added_.size());
    if (is_new)
      added_.push_back(token);
    else
      added_[position->second] = token;  // the later entry holds
  }
}

void Vocabulary::place(const std::string& token, int64_t id) {
  const auto index = static_cast<size_t>(id);
  if (index >= tokens_.size()) {
    tokens_.resize(index + 1);
    present_.resize(index + 1);
    only_added_.resize(index + 1);
  }
  present_[index] = only_added_[index] = true;
  tokens_[index] = token;
  ids_.emplace(token, id);
}

const std::string& Vocabulary::token(int64_t id) const {
  require(has(id), "decode", "expected a token id of the vocabulary (0 to ", size() - 1, ") but got ", id);
  return tokens_[static_cast<size_t>(id)];
}

std::optional<int64_t> Vocabulary::find(std::string_view token) const {
  const auto found = ids_.find(std::string(token));
  return found == ids_.end() ? std::nullopt : std::optional<int64_t>(found->second);
}

std::optional<int64_t> Vocabulary::find_in_model(std::string_view token) const {
  const std::optional<int64_t> id = find(token);
  return id && !only_added(*id) ? id : std::nullopt;
}

}  // namespace tacit
