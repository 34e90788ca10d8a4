#include "lib/tokenizer/byte_fallback_bpe.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "lib/core/error.h"
#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/normalizer.h"
#include "lib/tokenizer/read_merges.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

std::string byte_token(size_t byte) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "<0x%02X>", static_cast<unsigned>(byte));
  return text.data();
}

}  // namespace

ByteFallbackBpe::ByteFallbackBpe(const Json& json, const std::string& source)
    : pipeline_(JsonReader(json, kLoadTokenizer, source), source) {
  const JsonReader file(json, kLoadTokenizer, source);
  const JsonReader model = file.object("model");
  ignore_merges_ = model.boolean("ignore_merges", false);
  read_symbols(model);
  merges_ = read_merges(model, pipeline_.vocabulary(), source);
  find_joins();
  read_decoder(file, source);
}

void ByteFallbackBpe::read_symbols(const JsonReader& model) {
  const Vocabulary& vocabulary = pipeline_.vocabulary();
  for (size_t byte = 0; byte < 256; ++byte) {
    const std::optional<int64_t> id = vocabulary.find_in_model(byte_token(byte));
    if (!id) model.reject("vocab", "to have " + byte_token(byte));
    bytes_.push_back(static_cast<int32_t>(*id));
  }
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.has(id) || vocabulary.only_added(id)) continue;
    const std::string& token = vocabulary.token(id);
    const CodePoint first = code_point_at(token, 0);
    if (first.bytes > 0 && static_cast<size_t>(first.bytes) == token.size())
      characters_.emplace(first.value, static_cast<int32_t>(id));
  }
}

// Spaces for U+2581, bytes for byte tokens, all in one, without the space that encoding put before: the only decoder
// that such files have.
void ByteFallbackBpe::read_decoder(const JsonReader& file, const std::string& source) {
  const JsonReader decoder = file.object("decoder");
  constexpr const char* expectation = "to be a Sequence of Replace, ByteFallback, Fuse and at most one Strip";
  if (decoder.string("type") != "Sequence" || !decoder.has("decoders") || !decoder.json()["decoders"].is_array())
    file.reject("decoder", expectation);
  const Json& steps = decoder.json()["decoders"];
  std::vector<std::string> types;
  for (const Json& step : steps)
    types.push_back(JsonReader(step, kLoadTokenizer, source, "decoder.decoders").string("type"));
  const std::vector<std::string> known = {"Replace", "ByteFallback", "Fuse", "Strip"};
  if (types.size() < 3 || types.size() > 4 || !std::equal(types.begin(), types.end(), known.begin()))
    file.reject("decoder", expectation);
  const JsonReader replace(steps[0], kLoadTokenizer, source, "decoder.decoders[0]");
  const std::string from = replace.object("pattern").string("String"), to = replace.string("content");
  if (from.empty()) replace.reject("pattern", "to have a character");
  if (types.size() == 4) {
    const JsonReader strip(steps[3], kLoadTokenizer, source, "decoder.decoders[3]");
    if (strip.string("content") != " ") strip.reject("content", "to be a space");
    if (strip.integer("stop", 0) != 0) strip.reject("stop", "to be 0");
    strip_ = static_cast<size_t>(strip.integer_in("start", 0, 1 << 20));
  }
  const Vocabulary& vocabulary = pipeline_.vocabulary();
  decoded_.resize(static_cast<size_t>(vocabulary.size()));
  for (int64_t id = 0; id < vocabulary.size(); ++id)
    if (vocabulary.has(id)) decoded_[static_cast<size_t>(id)] = replaced(vocabulary.token(id), from, to);
  for (size_t byte = 0; byte < 256; ++byte)
    decoded_[static_cast<size_t>(bytes_[byte])] = std::string(1, static_cast<char>(byte));
}

void ByteFallbackBpe::find_joins() {
  const Vocabulary& vocabulary = pipeline_.vocabulary();
  // The symbols that a token may begin or end with: its character and, as a byte's token is one symbol, itself.
  const auto ends = [&](int32_t id, bool first) {
    const std::string& token = vocabulary.token(id);
    const CodePoint point = first ? code_point_at(token, 0) : code_point_before(token, token.size());
    const auto known = characters_.find(point.value);
    return std::array{id, known == characters_.end() ? id : known->second};
  };
  std::vector<std::pair<int32_t, int32_t>> pairs;
  merges_.for_each([&](int32_t left, int32_t right) {
    for (const int32_t before : ends(left, false)) {
      for (const int32_t after : ends(right, true)) pairs.emplace_back(before, after);
    }
  });
  std::ranges::sort(pairs);
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  joins_ = BpeMerges(pairs.size());
  for (const auto& [before, after] : pairs) joins_.set(before, after, {.rank = 0});
}

void ByteFallbackBpe::append_symbols(std::string_view piece, std::vector<int32_t>& symbols) const {
  for (size_t i = 0; i < piece.size();) {
    const CodePoint next = code_point_at(piece, i);
    const auto known = next.bytes > 0 ? characters_.find(next.value) : characters_.end();
    const size_t end = i + static_cast<size_t>(std::max(next.bytes, 1));
    if (known != characters_.end())
      symbols.push_back(known->second);
    else
      for (size_t at = i; at < end; ++at) symbols.push_back(bytes_[static_cast<unsigned char>(piece[at])]);
    i = end;
  }
}

void ByteFallbackBpe::encode_piece(std::string_view piece, std::vector<int64_t>& ids) const {
  if (ignore_merges_) {
    if (const std::optional<int64_t> whole = pipeline_.vocabulary().find_in_model(piece)) return ids.push_back(*whole);
  }
  std::vector<int32_t> symbols, part;
  symbols.reserve(piece.size());
  append_symbols(piece, symbols);
  for (size_t begin = 0, end = 0; begin < symbols.size(); begin = end) {
    for (end = begin + 1; end < symbols.size(); ++end) {
      if (joins_.find(symbols[end - 1], symbols[end]).rank == BpeMerges::kNoRank) break;
    }
    part.assign(symbols.begin() + static_cast<std::ptrdiff_t>(begin),
                symbols.begin() + static_cast<std::ptrdiff_t>(end));
    merges_.apply(part);
    ids.insert(ids.end(), part.begin(), part.end());
  }
}

std::vector<int64_t> ByteFallbackBpe::encode(std::string_view text) const {
  return pipeline_.encode(text,
                          [this](std::string_view piece, std::vector<int64_t>& ids) { encode_piece(piece, ids); });
}

std::string ByteFallbackBpe::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (const int64_t id : ids) {
    pipeline_.vocabulary().token(id);  // fails outside
    text += decoded_[static_cast<size_t>(id)];
  }
  const size_t spaces = std::min(text.find_first_not_of(' '), text.size());
  text.erase(0, std::min(spaces, strip_));
  return text;
}

}  // namespace tacit
