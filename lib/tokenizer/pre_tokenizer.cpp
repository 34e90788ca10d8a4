#include "lib/tokenizer/pre_tokenizer.h"

#include <utility>

#include "lib/core/error.h"
#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/normalizer.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

// GPT-2's pattern [github.com/openai/gpt-2, src/encoder.py]
constexpr const char* kByteLevel = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
// \w+|[^\w\s]+ with \w as in UTS #18 Annex C, which the reference follows
constexpr const char* kWhitespace =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\s]+)";
// Digits asks Rust's char::is_numeric, whose Unicode data (17) is newer than that of the reference's patterns (16).
constexpr const char* kDigit = R"([\p{N}\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}])";

}  // namespace

PreTokenizer::PreTokenizer(const JsonReader& file, std::string source) : source_(std::move(source)) {
  if (file.has("pre_tokenizer")) add(file.object("pre_tokenizer"));
}

std::shared_ptr<const Regex> PreTokenizer::compiled(const std::string& pattern) const {
  return std::make_shared<const Regex>(pattern, kLoadTokenizer, source_);
}

void PreTokenizer::add(const JsonReader& section) {
  const std::string type = section.string("type");
  // Behind ByteLevel the text stands in the byte alphabet, where another stage would cut elsewhere.
  if (byte_level_) section.reject("type", "to be absent behind ByteLevel");
  if (type == "Sequence") {
    add_sequence(section);
  } else if (type == "Split") {
    add_split(section);
  } else if (type == "ByteLevel") {
    byte_level_ = true;
    const bool use_regex = section.boolean("use_regex", true);
    stages_.push_back({.regex = use_regex ? compiled(kByteLevel) : nullptr,
                       .prefix = section.boolean("add_prefix_space", true) ? Prefix::always : Prefix::never});
  } else if (type == "Metaspace") {
    add_metaspace(section);
  } else if (type == "Digits") {
    stages_.push_back(
        {.regex = compiled(section.boolean("individual_digits", false) ? kDigit : std::string(kDigit) + "+")});
  } else if (type == "Whitespace") {
    stages_.push_back({.regex = compiled(kWhitespace), .keep_gaps = false});
  } else if (type == "WhitespaceSplit") {
    stages_.push_back({.regex = compiled(R"(\S+)"), .keep_gaps = false});
  } else {
    section.reject("type", "to be ByteLevel, Metaspace, Split, Digits, Whitespace, WhitespaceSplit or Sequence");
  }
}

void PreTokenizer::add_sequence(const JsonReader& section) {
  if (!section.has("pretokenizers") || !section.json()["pretokenizers"].is_array()) {
    section.reject("pretokenizers", "to be a list");
  }
  const Json& entries = section.json()["pretokenizers"];
  for (size_t i = 0; i < entries.size(); ++i) {
    add(JsonReader(entries[i], kLoadTokenizer, source_, section.path("pretokenizers[" + std::to_string(i) + "]")));
  }
}

void PreTokenizer::add_split(const JsonReader& section) {
  const JsonReader pattern = section.object("pattern");
  Stage stage;
  if (pattern.has("Regex")) {
    const std::string text = pattern.string("Regex");
    if (const std::string construct = unportable_construct(text); !construct.empty()) {
      pattern.reject("Regex", "to be a pattern without '" + construct + "'");
    }
    stage.regex = compiled(text);
  } else {
    stage.regex = compiled(escaped_pattern(pattern.string("String")));
  }
  const std::string behavior = section.string("behavior");
  if (behavior == "Removed") {
    (section.boolean("invert", false) ? stage.keep_gaps : stage.keep_matches) = false;
  } else if (behavior != "Isolated") {
    section.reject("behavior", "to be Isolated or Removed");
  }
  stages_.push_back(std::move(stage));
}

void PreTokenizer::add_metaspace(const JsonReader& section) {
  Stage stage{.space = section.string("replacement")};
  // Older files say add_prefix_space, which newer ones spell as a scheme.
  const std::string scheme =
      section.string("prepend_scheme", section.boolean("add_prefix_space", true) ? "always" : "never");
  if (scheme == "always" || scheme == "first")
    stage.prefix = scheme == "first" ? Prefix::first : Prefix::always;
  else if (scheme != "never")
    section.reject("prepend_scheme", "to be always, first or never");
  if (section.boolean("split", true)) {
    const std::string space = escaped_pattern(stage.space);
    stage.regex = compiled(space + "[^" + space + "]*|[^" + space + "]+");
  }
  stages_.push_back(std::move(stage));
}

void PreTokenizer::run(size_t stage, std::string_view text, bool at_start, const Piece& piece) const {
  if (text.empty()) return;
  if (stage == stages_.size()) return piece(text);
  const auto& [regex, keep_matches, keep_gaps, prefix, space] = stages_[stage];
  std::string buffer;
  if (space != " ") text = buffer = replaced(text, " ", space);
  if ((prefix == Prefix::always || (prefix == Prefix::first && at_start)) && !text.starts_with(space))
    text = buffer = space + std::string(text);
  if (regex == nullptr) return run(stage + 1, text, at_start, piece);
  for_each_stretch(text, [&](std::string_view stretch, bool valid) {
    if (valid)
      cut(stage, stretch, at_start, piece);
    else
      piece(stretch);
    at_start = false;
  });
}

void PreTokenizer::cut(size_t stage, std::string_view text, bool at_start, const Piece& piece) const {
  std::vector<Regex::Span> matches;
  stages_[stage].regex->find_all(text, matches);
  size_t end = 0;
  const auto gap = [&](size_t until) {
    if (stages_[stage].keep_gaps) run(stage + 1, text.substr(end, until - end), at_start && end == 0, piece);
  };
  for (const Regex::Span& match : matches) {
    gap(match.begin);
    if (stages_[stage].keep_matches)
      run(stage + 1, text.substr(match.begin, match.end - match.begin), at_start && match.begin == 0, piece);
    end = match.end;
  }
  gap(text.size());
}

}  // namespace tacit
