#include "lib/tokenizer/added_tokens.h"

#include <algorithm>

#include "lib/tokenizer/load_tokenizer.h"
#include "lib/tokenizer/regex.h"
#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

bool is_word_character(const CodePoint& point) {
  if (point.bytes == 0) return false;
  static const Regex word(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])", kLoadTokenizer, "the library");
  std::string text;
  append_utf8(text, point.value);
  std::vector<Regex::Span> found;
  word.find_all(text, found);
  return !found.empty();
}

}  // namespace

int32_t TokenTrie::child(int32_t node, char byte) const {
  for (const auto& [label, target] : nodes_[static_cast<size_t>(node)].next) {
    if (label == byte) return target;
  }
  return 0;
}

void TokenTrie::insert(std::string_view text, int32_t value) {
  if (text.empty()) return;
  if (nodes_.empty()) nodes_.emplace_back();
  int32_t node = 0;
  for (const char byte : text) {
    int32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_[static_cast<size_t>(node)].next.emplace_back(byte, next);
      if (node == 0) first_[static_cast<unsigned char>(byte)] = next;
      nodes_.emplace_back();
    }
    node = next;
  }
  nodes_[static_cast<size_t>(node)].value = value;
}

std::pair<int32_t, size_t> TokenTrie::longest_at(std::string_view text, size_t position) const {
  std::pair<int32_t, size_t> best{kNone, position};
  int32_t node = first_[static_cast<unsigned char>(text[position])];
  while (node != 0) {
    ++position;
    const int32_t value = nodes_[static_cast<size_t>(node)].value;
    if (value != kNone) best = {value, position};
    if (position == text.size()) break;
    node = child(node, text[position]);
  }
  return best;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, Normalizer normalizer)
    : tokens_(std::move(tokens)), normalizer_(std::move(normalizer)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    std::string buffer;
    const auto index = static_cast<int32_t>(i);
    if (tokens_[i].normalized)
      normalized_.insert(normalizer_.apply(tokens_[i].content, buffer), index);
    else
      raw_.insert(tokens_[i].content, index);
  }
}

bool AddedTokens::cuts_word(std::string_view text, size_t begin, size_t end) const {
  return is_word_character(code_point_before(text, begin)) || is_word_character(code_point_at(text, end));
}

size_t AddedTokens::without_space_at_end(std::string_view text) {
  size_t end = text.size();
  while (true) {
    const CodePoint last = code_point_before(text, end);
    if (last.bytes == 0 || !is_white_space(last.value)) return end;
    end -= static_cast<size_t>(last.bytes);
  }
}

size_t AddedTokens::space_at_start(std::string_view text) {
  size_t begin = 0;
  while (true) {
    const CodePoint first = code_point_at(text, begin);
    if (first.bytes == 0 || !is_white_space(first.value)) return begin;
    begin += static_cast<size_t>(first.bytes);
  }
}

}  // namespace tacit
