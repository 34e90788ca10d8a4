#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tacit {

// What a thought's readout says, the likeliest tokens first: (token, share).
using ReadoutStep = std::vector<std::pair<std::string, double>>;

// Reads Sample::thoughts where it is readouts, "7 .52 3 .44 | 9 .98": a step a thought. Tokens may be anything, "|"
// and text with spaces included. Nothing where the text is something else: the words of a written chain, or "".
std::optional<std::vector<ReadoutStep>> parse_readouts(const std::string& thoughts);

}  // namespace tacit
