#include "lib/tokenizer/older_files.h"

#include <charconv>
#include <map>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/tokenizer/load_tokenizer.h"

namespace tacit {
namespace {

// [transformers, models/qwen2/tokenization_qwen2.py]
constexpr const char* kQwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json read_if_there(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_json(path, kLoadTokenizer) : Json::object();
}

int64_t id_from(const std::string& text, const JsonReader& file) {
  int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0) file.reject(text, "to be named by an id");
  return id;
}

Json byte_level(bool use_regex, bool add_prefix_space) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json read_merges(const std::filesystem::path& path) {
  Json merges = Json::array();
  for_each_line(path, kLoadTokenizer, [&](std::string_view line, int64_t) {
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(line);
  });
  return merges;
}

// The special tokens of both classes, for checkpoints that name none: they are in the vocabulary.
void add_end_of_text(Json& added, const Json& vocabulary) {
  constexpr const char* content = "<|endoftext|>";
  for (const Json& token : added) {
    if (token["content"] == content) return;
  }
  if (vocabulary.contains(content))
    added.push_back({{"id", vocabulary[content]}, {"content", content}, {"normalized", false}, {"special", true}});
}

}  // namespace

Json read_added_tokens(const std::filesystem::path& directory) {
  std::map<int64_t, Json> tokens;
  const std::filesystem::path config_path = directory / "tokenizer_config.json",
                              plain_path = directory / "added_tokens.json";
  const Json config_json = read_if_there(config_path), plain_json = read_if_there(plain_path);
  const JsonReader config(config_json, kLoadTokenizer, config_path.string());
  if (config.has("added_tokens_decoder")) {
    const JsonReader decoder = config.object("added_tokens_decoder");
    for (const auto& [name, entry] : decoder.json().items()) {
      if (!entry.is_object()) decoder.reject(name, "to be an object");
      const int64_t id = id_from(name, decoder);
      tokens[id] = entry;
      tokens[id]["id"] = id;
      decoder.object(name).string("content");
    }
  }
  const JsonReader plain(plain_json, kLoadTokenizer, plain_path.string());
  for (const auto& [content, value] : plain_json.items()) {
    const int64_t id = plain.integer_in(content, 0, INT32_MAX);
    const auto [entry, is_new] = tokens.emplace(id, Json{{"id", id}, {"content", content}, {"normalized", false}});
    require(is_new || entry->second["content"] == content, kLoadTokenizer, "expected token ", id, " to be '", content,
            "' as in ", plain_path.string(), " but got ", entry->second["content"].dump(), " in ",
            config_path.string());
  }
  Json result = Json::array();
  for (auto& [id, token] : tokens) result.push_back(std::move(token));
  return result;
}

Json read_vocab_and_merges(const std::filesystem::path& directory) {
  const std::filesystem::path config_path = directory / "tokenizer_config.json";
  const Json config_json = read_if_there(config_path);
  const JsonReader config(config_json, kLoadTokenizer, config_path.string());
  std::string name = config.string("tokenizer_class", "GPT2Tokenizer");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (name != "GPT2Tokenizer" && name != "Qwen2Tokenizer")
    config.reject("tokenizer_class", "to be GPT2Tokenizer or Qwen2Tokenizer, or a tokenizer.json,");
  const bool prefix = config.boolean("add_prefix_space", false);

  Json vocabulary = read_json(directory / "vocab.json", kLoadTokenizer);
  Json added = read_added_tokens(directory);
  add_end_of_text(added, vocabulary);
  Json result = {
      {"version", "1.0"},
      {"added_tokens", std::move(added)},
      {"pre_tokenizer", byte_level(true, prefix)},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model",
       {{"type", "BPE"}, {"vocab", std::move(vocabulary)}, {"merges", read_merges(directory / "merges.txt")}}}};
  if (name == "Qwen2Tokenizer") {
    const Json split = {
        {"type", "Split"}, {"pattern", {{"Regex", kQwen2Split}}}, {"behavior", "Isolated"}, {"invert", false}};
    result["normalizer"] = {{"type", "NFC"}};
    result["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, byte_level(false, prefix)}}};
  }
  return result;
}

}  // namespace tacit
