#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tacit {

// PCRE2's Unicode data and the reference's disagree on a few characters: PCRE2 10.42 knows Unicode 14 where the
// reference knows 16, and its \s takes in U+180E, which is no white space. Before matching, each such character is
// replaced by one of the same number of bytes on which both agree, so that the offsets of the matches stay right.
// Returns nullopt when `text` (valid UTF-8) has none of them.
std::optional<std::string> with_stand_ins(std::string_view text);

}  // namespace tacit
