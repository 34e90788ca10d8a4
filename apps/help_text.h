#pragma once

#include <cstdint>
#include <string>

namespace tacit {

// Columns that --help keeps to: of a terminal its own, as far as that can be read; 100 elsewhere.
int64_t help_columns();

// The text behind `head`. On a terminal wrapped, with each further line as far to the right as the first.
std::string help_text(const std::string& text, const std::string& head = "");

}  // namespace tacit
