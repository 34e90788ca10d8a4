#include "lib/tokenizer/read_merges.h"

#include <optional>
#include <utility>

#include "lib/core/error.h"
#include "lib/tokenizer/load_tokenizer.h"

namespace tacit {
namespace {

// The two strings of a merge rule.
std::optional<std::pair<std::string, std::string>> merge_parts(const Json& rule) {
  if (rule.is_array() && rule.size() == 2 && rule[0].is_string() && rule[1].is_string()) {
    return std::pair(rule[0].get<std::string>(), rule[1].get<std::string>());
  }
  if (!rule.is_string()) return std::nullopt;
  const auto& text = rule.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

}  // namespace

BpeMerges read_merges(const JsonReader& model, const Vocabulary& vocabulary, const std::string& source) {
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.string(affix, "").empty()) model.reject(affix, "to be empty");
  }
  if (model.number("dropout", 0) != 0) model.reject("dropout", "to be 0");
  if (!model.has("merges") || !model.json()["merges"].is_array()) model.reject("merges", "to be a list");
  const Json& rules = model.json()["merges"];
  const auto id_of_part = [&](const std::string& token, size_t index) {
    const std::optional<int64_t> id = vocabulary.find_in_model(token);
    require(id.has_value(), kLoadTokenizer, "expected the tokens of 'model.merges[", index,
            "]' in the vocabulary but got '", token, "' in ", source);
    return static_cast<int32_t>(*id);
  };
  BpeMerges merges(rules.size());
  int32_t rank = 0;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].is_string() && rules[i].get_ref<const std::string&>().starts_with("#version")) continue;
    const auto parts = merge_parts(rules[i]);
    require(parts.has_value(), kLoadTokenizer, "expected 'model.merges[", i,
            "]' to be \"a b\" or [\"a\", \"b\"] but got ", rules[i].type_name(), " of another form in ", source);
    const auto& [left, right] = *parts;
    merges.set(id_of_part(left, i), id_of_part(right, i), {rank++, id_of_part(left + right, i)});
  }
  return merges;
}

}  // namespace tacit
