#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// A regular expression with the meaning that Python's re gives it, for the constructs that PCRE2 shares with it: all
// that lm-evaluation-harness's tasks use. Needs no stack in proportion to the text. Cheap to copy; immutable.
class Pattern {
 public:
  // Fails on a pattern that does not compile, naming the byte.
  explicit Pattern(const std::string& pattern);

  // Bytes that are no UTF-8 are read as U+FFFD.
  // re.findall: by match all of it, or its groups where the pattern has some; a group that took no part is "".
  // Fails where a match costs more than ten million steps.
  std::vector<std::vector<std::string>> find_all(std::string_view text) const;
  // re.sub(pattern, "", text)
  std::string removed(std::string_view text) const;

  const std::string& text() const { return text_; }

 private:
  struct Compiled;
  struct Span {
    size_t begin, end;
  };
  // All matches in valid UTF-8, each with its groups behind it; what took no part is {npos, npos}.
  std::vector<std::vector<Span>> spans(std::string_view text) const;

  std::string text_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace tacit
