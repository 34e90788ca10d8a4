#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// str.strip() of Python: without white space, Unicode's included, at both ends.
std::string stripped(std::string_view text);
// Lower case by character (utf8proc).
std::string lower_case(std::string_view text);
std::string upper_case(std::string_view text);
// Without string.punctuation of Python, which is ASCII's.
std::string without_punctuation(std::string_view text);
// Without the characters of Unicode's categories P*.
std::string without_unicode_punctuation(std::string_view text);
// Words of letters and digits (bytes beyond ASCII count as letters), in order.
std::vector<std::string> words_of(std::string_view text);

// The bytes behind each place where the text announces its answer, ascending: "####", "###", "answer is", "answer:",
// "<answer>", "\boxed{". Case does not matter; spaces, ':' and '*' behind the announcement are skipped.
std::vector<size_t> announcements(std::string_view text);
// What stands behind the last of them; all of the text where there is none.
std::string_view announced(std::string_view text);

}  // namespace tacit
