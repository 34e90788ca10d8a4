#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/tokenizer/normalizer.h"

namespace tacit {

// What an added token of tokenizer.json asks for.
struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool single_word = false;  // no match inside a word
  bool lstrip = false;       // takes the white space on its left with it
  bool rstrip = false;
  bool normalized = true;  // matches its normalised form in the normalised text, else itself in the text as given
};

// A set of strings, searched leftmost first and longest first.
class TokenTrie {
 public:
  static constexpr int32_t kNone = -1;

  void insert(std::string_view text, int32_t value);  // replaces the value of an equal text
  bool empty() const { return nodes_.empty(); }

  // Value and end of the longest entry that starts at text[position], kNone when there is none.
  std::pair<int32_t, size_t> longest_at(std::string_view text, size_t position) const;

 private:
  struct Node {
    int32_t value = kNone;
    std::vector<std::pair<char, int32_t>> next;
  };
  int32_t child(int32_t node, char byte) const;

  std::vector<Node> nodes_;
  std::array<int32_t, 256> first_{};  // children of the root: most positions are settled here
};

// Finds added tokens in text, as HF's AddedVocabulary does: first those that match the text as given, then, in the
// normalised rest, the others.
class AddedTokens {
 public:
  // One part of a text: a token (id >= 0) or normalised text between tokens (id == -1).
  struct Part {
    int64_t id;
    std::string_view text;
  };

  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, Normalizer normalizer = {});

  // Calls `part(const Part&)` for the parts in order; the views are valid during the call only.
  template <class Callback>
  void split(std::string_view text, const Callback& part) const {
    find(raw_, text, [&](const Part& outer) {
      if (outer.id >= 0) return part(outer);
      std::string buffer;
      find(normalized_, normalizer_.apply(outer.text, buffer), part);
    });
  }

  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  template <class Callback>
  void find(const TokenTrie& trie, std::string_view text, const Callback& part) const;
  bool cuts_word(std::string_view text, size_t begin, size_t end) const;
  static size_t without_space_at_end(std::string_view text);
  static size_t space_at_start(std::string_view text);

  std::vector<AddedToken> tokens_;
  Normalizer normalizer_;
  TokenTrie raw_, normalized_;
};

template <class Callback>
void AddedTokens::find(const TokenTrie& trie, std::string_view text, const Callback& part) const {
  size_t done = 0;  // the text before it has been given out
  for (size_t position = 0; !trie.empty() && position < text.size();) {
    const auto [index, match_end] = trie.longest_at(text, position);
    if (index == TokenTrie::kNone) {
      ++position;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    size_t begin = position, end = match_end;
    position = match_end;  // the search goes on behind the match itself, also when white space beyond it is taken
    if (token.single_word && cuts_word(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(without_space_at_end(text.substr(0, begin)), done);
    if (token.rstrip) end += space_at_start(text.substr(end));
    if (done < begin) part(Part{-1, text.substr(done, begin - done)});
    // A token all of whose text went to the white space of the one before it is dropped, as the reference does.
    if (begin < end) part(Part{token.id, {}});
    done = end;
  }
  if (done < text.size()) part(Part{-1, text.substr(done)});
}

}  // namespace tacit
