#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tacit {

// The candidate with the smallest edit distance to `word`, or "" when none is close (distance above max(2, size / 3)).
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// ", did you mean 'x'?" for use at the end of an error, or "" when nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace tacit
