#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// A compiled pattern that finds what HF tokenizers finds with it. Immutable and safe to share between threads.
class Regex {
 public:
  struct Span {
    size_t begin, end;
  };

  // Throws Error("[operation] ...", naming `source`) on a pattern that does not compile or that can match nothing.
  Regex(const std::string& pattern, std::string_view operation, std::string_view source);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  // Appends all matches, left to right and without overlap. `text` must be valid UTF-8.
  void find_all(std::string_view text, std::vector<Span>& matches) const;

 private:
  struct Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

// The reference compiles the patterns of tokenizer.json with Oniguruma. Returns the first construct of `pattern` that
// PCRE2 might read differently, or "" when both agree on all of it.
std::string unportable_construct(std::string_view pattern);

// PCRE2's words for one of its errors.
std::string pcre2_text(int error);

// A pattern for exactly `text`.
std::string escaped_pattern(std::string_view text);

}  // namespace tacit
