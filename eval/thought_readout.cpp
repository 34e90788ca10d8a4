#include "eval/thought_readout.h"

#include <algorithm>
#include <cstdlib>

namespace tacit {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// ".52" or "1.00", as samples have them.
bool is_share(const std::string& word) {
  const auto digit = [&](size_t i) { return word[i] >= '0' && word[i] <= '9'; };
  return word == "1.00" || (word.size() == 3 && word[0] == '.' && digit(1) && digit(2));
}

}  // namespace

std::optional<std::vector<ReadoutStep>> parse_readouts(const std::string& thoughts) {
  if (thoughts.empty()) return std::nullopt;
  const std::vector<std::string> words = split(thoughts);
  std::vector<ReadoutStep> steps(1);
  std::string token;
  bool open = false;  // a token has begun
  for (size_t i = 0; i < words.size(); ++i) {
    if (open && is_share(words[i])) {
      steps.back().emplace_back(token, std::strtod(words[i].c_str(), nullptr));
      open = false;
      continue;
    }
    // Between steps a bar stands where a token could; a token that is a bar is followed by its share.
    const bool share_follows = i + 1 < words.size() && is_share(words[i + 1]);
    const bool both =
        share_follows && i + 2 < words.size() && is_share(words[i + 2]);  // a token that looks like a share
    if (!open && words[i] == "|" && !steps.back().empty() && (!share_follows || both)) {
      steps.emplace_back();
      continue;
    }
    token = open ? token + " " + words[i] : words[i];
    open = true;
  }
  if (open || steps.back().empty()) return std::nullopt;
  return steps;
}

}  // namespace tacit
