#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

// What happens to text before it is cut: the "normalizer" section of tokenizer.json. Knows NFC, Prepend, Replace (of a
// string) and sequences of them.
class Normalizer {
 public:
  Normalizer() = default;                                         // changes nothing
  Normalizer(const JsonReader& file, const std::string& source);  // the section may be absent

  // `text` itself where there is nothing to do, else its normal form, which lies in `buffer`.
  std::string_view apply(std::string_view text, std::string& buffer) const;

 private:
  struct Step {
    enum class Kind { nfc, prepend, replace } kind;
    std::string from, to;  // replace: from, to; prepend: to
  };

  void add(const JsonReader& section, const std::string& source);

  std::vector<Step> steps_;
};

// `text` with each `from` replaced by `to`, from left to right.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);

}  // namespace tacit
