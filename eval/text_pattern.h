#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// A regular expression (Perl's, as PCRE2 reads it, on UTF-8) for taking texts apart. Cheap to copy; immutable.
class TextPattern {
 public:
  // Fails, naming `source`, on a pattern that does not compile.
  TextPattern(std::string pattern, const std::string& operation, const std::string& source);

  const std::string& text() const { return text_; }
  // The first or last match's group 1, or all of the match where the pattern has no group.
  std::optional<std::string> find(std::string_view text, bool last = false) const;
  std::vector<std::string> find_all(std::string_view text) const;
  // Every match replaced; $1 to $9 in `with` are groups.
  std::string replaced(std::string_view text, std::string_view with) const;
  // What stands between matches.
  std::vector<std::string> split(std::string_view text) const;

 private:
  struct Compiled;
  struct Match;
  std::vector<Match> matches(std::string_view text, size_t most = 0) const;

  std::string text_;
  std::shared_ptr<const Compiled> compiled_;
};

// The place behind the UTF-8 character that begins at `at`.
size_t behind_character(std::string_view text, size_t at);

// Without white space at both ends.
std::string without_outer_space(std::string_view text);

}  // namespace tacit
