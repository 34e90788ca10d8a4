#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "lib/core/files.h"
#include "lib/tokenizer/nfc.h"
#include "tests/lib/tokenizer_mixed_text.h"
#include "tests/lib/tokenizer_support.h"
#include "tests/support/test_data.h"

using namespace tacit;

// Ids of the reference (HF tokenizers 0.23.3, sentencepiece 0.2.3) on texts of more than 1 MB, by their hashes: see
// tests/parity/tokenizer_reference.py.

namespace {

const std::filesystem::path kFolder = std::filesystem::path(TACIT_SOURCE_DIR) / "tests/parity/fixtures/tokenizer";

struct Texts {
  Json ids = read_json(kFolder / "ids.json", "test");
  std::map<std::string, std::string> text;

  Texts() {
    const Json spec = read_json(kFolder / "mixed_text.json", "test");
    text["mixed"] = mixed_text(spec);
    text["every"] = every_code_point(spec);
    if (const auto path = test::data("tokenizers/sentencepiece_tests/botchan.txt"))
      text["prose"] = read_file(*path, "test");
  }
};

const Texts& texts() {
  static const Texts all;
  return all;
}

struct Loaded {
  std::string name;
  std::shared_ptr<const Tokenizer> tokenizer;  // nullptr when its file is test data that is absent
  bool bytes = false;                          // byte-level
  bool lossless = false;                       // and without normaliser
};

Loaded load(const Json& entry) {
  Loaded loaded{.name = entry.at("name").get<std::string>()};
  const std::string file = entry.at("file").is_null() ? "" : entry.at("file").get<std::string>();
  std::optional<std::filesystem::path> path = kFolder / file;
  if (file.find('/') != std::string::npos) path = test::data("tokenizers/" + file);
  if (!path) return loaded;
  if (!entry.contains("patch")) {
    const ScratchFolder folder;
    std::filesystem::create_symlink(std::filesystem::absolute(*path), folder / "tokenizer.model");
    loaded.tokenizer = load_tokenizer(folder.path());
    return loaded;
  }
  Json json = file.empty() ? Json::object() : read_json(*path, "test");
  json.merge_patch(entry.at("patch"));
  loaded.tokenizer = load_json(json);
  loaded.bytes = json["model"].contains("merges") && !json["model"].value("byte_fallback", false);
  loaded.lossless = loaded.bytes && (!json.contains("normalizer") || json["normalizer"].is_null());
  return loaded;
}

std::string bytes_of(std::span<const int64_t> ids) {
  std::string bytes;
  bytes.reserve(4 * ids.size());
  for (const int64_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(id >> shift & 0xFF);
  }
  return bytes;
}

// "" when the ids are the reference's, else where the first block of them that differs lies in the text.
std::string difference(const Tokenizer& tokenizer, const std::vector<int64_t>& ids, const Json& expected,
                       size_t block) {
  if (sha256_hex(bytes_of(ids)) == expected.at("sha256")) return "";
  const auto hashes = expected.at("blocks").get<std::string>();
  size_t begin = 0;
  for (size_t i = 0; begin < ids.size(); ++i, begin += block) {
    const auto part = std::span(ids).subspan(begin, std::min(block, ids.size() - begin));
    if (sha256_hex(bytes_of(part)).substr(0, 16) == hashes.substr(std::min(16 * i, hashes.size()), 16)) continue;
    const std::string before = tokenizer.decode(std::span(ids).first(begin));
    return "the first other id is among " + std::to_string(begin) + " to " + std::to_string(begin + part.size() - 1) +
           " of " + std::to_string(ids.size()) + " (reference: " + expected.at("count").dump() + "), behind byte " +
           std::to_string(before.size()) +
           " of the decoded text: " + Json(tokenizer.decode(part)).dump(-1, ' ', true, Json::error_handler_t::replace);
  }
  return "ids are missing at the end: " + std::to_string(ids.size()) + " of " + expected.at("count").dump();
}

std::string with_utf8_bytes_only(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte == 0xC0 || byte == 0xC1 || byte >= 0xF5 ? "\uFFFD" : std::string(1, c);
  }
  return result;
}

}  // namespace

TEST_CASE("the texts are those that the reference was given") {
  for (const auto& [name, text] : texts().text) {
    CAPTURE(name);
    CHECK(text.size() == texts().ids["texts"][name]["bytes"].get<size_t>());
    CHECK((name == "prose" || text.size() > (1 << 20)));
    CHECK(sha256_hex(text) == texts().ids["texts"][name]["sha256"]);
  }
}

TEST_CASE("every tokenizer gives the reference's ids on a mixed text, on every code point and on prose") {
  for (const Json& entry : texts().ids["tokenizers"]) {
    const Loaded loaded = load(entry);
    CAPTURE(loaded.name);
    if (!loaded.tokenizer) continue;
    for (const auto& [name, text] : texts().text) {
      if (!entry.contains(name)) continue;
      CAPTURE(name);
      const auto block = texts().ids["texts"][name]["block"].get<size_t>();
      CHECK(difference(*loaded.tokenizer, loaded.tokenizer->encode(text), entry[name], block) == "");
    }
  }
}

TEST_CASE("byte-level BPE gives every text back, valid UTF-8 or not, and in normal form where it normalises") {
  std::string damaged = texts().text.at("mixed");
  std::mt19937 random(1);
  for (size_t i = 0; i < damaged.size(); i += 1 + random() % 64) damaged[i] = static_cast<char>(random() % 256);
  for (const Json& entry : texts().ids["tokenizers"]) {
    const Loaded loaded = load(entry);
    CAPTURE(loaded.name);
    if (!loaded.tokenizer || !loaded.bytes) continue;
    const bool all_bytes = loaded.tokenizer->id_of("\u00FF").has_value();  // byte FF; GPT-NeoX's vocabulary lacks it
    for (const std::string& text :
         {texts().text.at("mixed"), texts().text.at("every"), all_bytes ? damaged : with_utf8_bytes_only(damaged)}) {
      const std::string back = loaded.tokenizer->decode(loaded.tokenizer->encode(text));
      CHECK((loaded.lossless ? back == text : nfc(back) == nfc(text)));
    }
  }
}
