#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/core/json.h"
#include "lib/tokenizer/bpe_merges.h"
#include "lib/tokenizer/tokenizer.h"
#include "tests/lib/core_support.h"

namespace tacit {

// A text and the ids that the reference gives.
struct Golden {
  std::string text;
  std::vector<int64_t> ids;
};

inline std::shared_ptr<const Tokenizer> load_json(const Json& json) {
  const ScratchFolder folder;
  put(folder / "tokenizer.json", json.dump());
  return load_tokenizer(folder.path());
}

inline Json added_token(int64_t id, const std::string& content, const Json& flags = Json::object()) {
  Json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  token.update(flags);
  return token;
}

// GPT-2's byte alphabet: U+0021 to U+007E, U+00A1 to U+00AC and U+00AE to U+00FF stand for themselves, the other bytes,
// in order, for U+0100 on.
inline std::vector<std::string> byte_symbols() {
  std::vector<std::string> symbols;
  int other = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const int value = itself ? byte : other++;
    if (value < 0x80)
      symbols.push_back({static_cast<char>(value)});
    else
      symbols.push_back({static_cast<char>(0xC0 | value >> 6), static_cast<char>(0x80 | (value & 0x3F))});
  }
  return symbols;
}

// A byte-level BPE of 277 tokens: id b < 256 is byte b, the rest in the order of their merges.
inline Json tiny_bpe_json() {
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"h", "e"},  {"l", "l"},     {"he", "ll"}, {"hell", "o"}, {"Ġ", "w"}, {"o", "r"}, {"Ġw", "or"},
      {"l", "d"},  {"Ġwor", "ld"}, {"Ġ", "Ġ"},   {"ĠĠ", "ĠĠ"},  {"Ã", "©"}, {"e", "Ì"}, {"á", "ł"},
      {"áł", "İ"}, {"w", "or"},    {"1", "2"},   {"12", "3"},   {"'", "s"}, {"a", "a"}, {"aa", "aa"}};
  Json vocabulary = Json::object(), rules = Json::array();
  for (const std::string& symbol : byte_symbols()) vocabulary.emplace(symbol, vocabulary.size());
  for (const auto& [left, right] : merges) {
    vocabulary.emplace(left + right, vocabulary.size());
    rules.push_back(left + " " + right);
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array()},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", rules}}}};
}

// A tokenizer of tests/parity/fixtures/tokenizer.
inline Json fixture_json(const std::string& name) {
  return read_json(std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures/tokenizer" / name, "test");
}

// Byte-pair encoding by its definition: join the pair of lowest rank, the leftmost of equals, until none has a rule.
inline std::vector<int32_t> merged_one_by_one(const BpeMerges& rules, std::vector<int32_t> symbols) {
  while (true) {
    size_t best = 0;
    BpeMerges::Merge merge;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const BpeMerges::Merge found = rules.find(symbols[i], symbols[i + 1]);
      if (found.rank < merge.rank) {
        merge = found;
        best = i;
      }
    }
    if (merge.rank == BpeMerges::kNoRank) return symbols;
    symbols[best] = merge.result;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// The merges of a tokenizer.json, by the ids of `tokenizer`.
inline BpeMerges merges_of(const Json& json, const Tokenizer& tokenizer) {
  const auto id = [&](const std::string& token) { return static_cast<int32_t>(*tokenizer.id_of(token)); };
  const Json& list = json["model"]["merges"];
  BpeMerges rules(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const auto left = list[i][0].get<std::string>(), right = list[i][1].get<std::string>();
    rules.set(id(left), id(right), {static_cast<int32_t>(i), id(left + right)});
  }
  return rules;
}

}  // namespace tacit
