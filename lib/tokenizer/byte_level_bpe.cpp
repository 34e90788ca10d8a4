#include "lib/tokenizer/byte_level_bpe.h"

#include <algorithm>
#include <optional>

#include "lib/core/error.h"
#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/read_merges.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

// GPT-2 writes each byte as one printable character: itself where it is one, else the next from U+0100 on.
const std::array<char32_t, 256>& byte_alphabet() {
  static const std::array<char32_t, 256> alphabet = [] {
    std::array<char32_t, 256> result{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      result[byte] = printable ? byte : next++;
    }
    return result;
  }();
  return alphabet;
}

// Bytes that a token of the vocabulary stands for; nullopt when it has characters outside the byte alphabet.
std::optional<std::string> bytes_of(std::string_view token) {
  static const std::array<int16_t, 0x144> byte_of = [] {  // U+0143 is the last character of the alphabet
    std::array<int16_t, 0x144> result{};
    result.fill(-1);
    for (size_t byte = 0; byte < 256; ++byte) result[byte_alphabet()[byte]] = static_cast<int16_t>(byte);
    return result;
  }();
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const CodePoint next = code_point_at(token, i);
    if (next.bytes == 0 || next.value >= byte_of.size() || byte_of[next.value] < 0) return std::nullopt;
    bytes += static_cast<char>(byte_of[next.value]);
    i += static_cast<size_t>(next.bytes);
  }
  return bytes;
}

bool never_in_utf8(unsigned char byte) { return byte == 0xC0 || byte == 0xC1 || byte >= 0xF5; }

}  // namespace

ByteLevelBpe::ByteLevelBpe(const Json& json, const std::string& source)
    : pipeline_(JsonReader(json, kLoadTokenizer, source), source) {
  const JsonReader file(json, kLoadTokenizer, source);
  if (!pipeline_.byte_level()) file.reject("pre_tokenizer", "to be or to end with ByteLevel");
  if (file.has("decoder") && file.object("decoder").string("type") != "ByteLevel") {
    file.object("decoder").reject("type", "to be ByteLevel");
  }
  const JsonReader model = file.object("model");
  ignore_merges_ = model.boolean("ignore_merges", false);
  fuse_unknown_ = model.boolean("fuse_unk", false);
  read_symbols(model);
  merges_ = read_merges(model, pipeline_.vocabulary(), source);
  find_whole_words();
}

void ByteLevelBpe::read_symbols(const JsonReader& model) {
  const Vocabulary& vocabulary = pipeline_.vocabulary();
  bytes_.resize(static_cast<size_t>(vocabulary.size()));
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.has(id)) continue;
    const std::string& token = vocabulary.token(id);
    // A token that is only added stands for its own text, which may look like the byte alphabet.
    bytes_[static_cast<size_t>(id)] = vocabulary.only_added(id) ? token : bytes_of(token).value_or(token);
  }
  bool complete = true;
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string symbol;
    append_utf8(symbol, byte_alphabet()[byte]);
    byte_ids_[byte] = static_cast<int32_t>(vocabulary.find_in_model(symbol).value_or(kMissing));
    complete = complete && byte_ids_[byte] != kMissing;
  }
  if (!complete) read_unknown(model);
}

void ByteLevelBpe::read_unknown(const JsonReader& model) {
  if (model.boolean("byte_fallback", false))
    model.reject("byte_fallback", "to be false, or all 256 bytes in the vocabulary,");
  if (!model.has("unk_token")) {
    for (const unsigned char byte : {0xEF, 0xBF, 0xBD}) replacement_.push_back(byte_ids_[byte]);
    if (std::ranges::find(replacement_, kMissing) != replacement_.end()) replacement_.clear();
    return;
  }
  const std::optional<int64_t> unknown = pipeline_.vocabulary().find_in_model(model.string("unk_token"));
  if (!unknown) model.reject("unk_token", "to be in the vocabulary");
  unknown_ = static_cast<int32_t>(*unknown);
}

void ByteLevelBpe::find_whole_words() {
  const Vocabulary& vocabulary = pipeline_.vocabulary();
  whole_words_.reserve(bytes_.size());
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.has(id) || vocabulary.only_added(id) || !bytes_of(vocabulary.token(id))) continue;
    const std::string& bytes = bytes_[static_cast<size_t>(id)];
    bool whole = ignore_merges_;
    if (!whole) {
      std::vector<int32_t> symbols = symbols_of(bytes);
      merges_.apply(symbols);
      whole = symbols.size() == 1 && symbols[0] == id;
    }
    if (whole) whole_words_.emplace(bytes, static_cast<int32_t>(id));
  }
}

// As the reference does, a byte that the vocabulary lacks gives the unknown token or, when there is none, nothing. The
// reference never sees a byte that UTF-8 does not use.
std::vector<int32_t> ByteLevelBpe::symbols_of(std::string_view piece) const {
  std::vector<int32_t> symbols;
  symbols.reserve(piece.size());
  bool after_unknown = false;
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    const int32_t id = byte_ids_[byte];
    if (id != kMissing)
      symbols.push_back(id);
    else if (unknown_ != kMissing && !(fuse_unknown_ && after_unknown))
      symbols.push_back(unknown_);
    else if (unknown_ == kMissing && never_in_utf8(byte))
      symbols.insert(symbols.end(), replacement_.begin(), replacement_.end());
    after_unknown = id == kMissing;
  }
  return symbols;
}

void ByteLevelBpe::encode_piece(std::string_view piece, std::vector<int64_t>& ids) const {
  if (const auto whole = whole_words_.find(piece); whole != whole_words_.end()) {
    ids.push_back(whole->second);
    return;
  }
  std::vector<int32_t> symbols = symbols_of(piece);
  merges_.apply(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

std::vector<int64_t> ByteLevelBpe::encode(std::string_view text) const {
  return pipeline_.encode(text,
                          [this](std::string_view piece, std::vector<int64_t>& ids) { encode_piece(piece, ids); });
}

std::string ByteLevelBpe::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (const int64_t id : ids) {
    pipeline_.vocabulary().token(id);  // fails outside
    text += bytes_[static_cast<size_t>(id)];
  }
  return text;
}

}  // namespace tacit
