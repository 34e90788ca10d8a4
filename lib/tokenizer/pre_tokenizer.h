#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/json.h"
#include "lib/tokenizer/regex.h"

namespace tacit {

// Cuts text into the pieces that the model sees one by one: the "pre_tokenizer" section of tokenizer.json. Knows
// ByteLevel, Metaspace, Split (Isolated, Removed), Digits, Whitespace, WhitespaceSplit and sequences of them.
class PreTokenizer {
 public:
  using Piece = std::function<void(std::string_view)>;

  PreTokenizer(const JsonReader& file, std::string source);

  // Whether the pieces are meant for a model over bytes. They are given as plain bytes, not in the byte alphabet.
  bool byte_level() const { return byte_level_; }

  // Calls `piece` for each non-empty piece in order. Stretches of invalid UTF-8 are pieces of their own. A view is
  // valid during its call only. `at_start`: whether `text` stands at the start of all of the text.
  void split(std::string_view text, bool at_start, const Piece& piece) const { run(0, text, at_start, piece); }

 private:
  enum class Prefix { never, first, always };  // first: at the start of all of the text
  struct Stage {
    std::shared_ptr<const Regex> regex;  // null: the text stays whole
    bool keep_matches = true;
    bool keep_gaps = true;
    Prefix prefix = Prefix::never;  // where a space is put before text that does not begin with one
    std::string space = " ";        // what spaces are written as
  };

  void add(const JsonReader& section);
  void add_sequence(const JsonReader& section);
  void add_split(const JsonReader& section);
  void add_metaspace(const JsonReader& section);
  std::shared_ptr<const Regex> compiled(const std::string& pattern) const;
  void run(size_t stage, std::string_view text, bool at_start, const Piece& piece) const;
  void cut(size_t stage, std::string_view text, bool at_start, const Piece& piece) const;

  std::string source_;
  std::vector<Stage> stages_;
  bool byte_level_ = false;
};

}  // namespace tacit
