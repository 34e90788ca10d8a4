#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/report_columns.h"

namespace tacit {

// Columns alone, for a table that is no Comparison's, and text beside them, in the forms of a report. There must be a
// column; the first has the names of the rows.

// Those that find no place beside each other stand in tables below, with the first again. Ends with a line end.
std::string terminal_columns(const std::vector<ReportColumn>& columns, int64_t width, bool colour);
// Breaks at spaces, but not between a number and its %; later lines are indented. Ends with a line end.
std::string wrapped_text(const std::string& text, int64_t width);

std::string markdown_columns(const std::vector<ReportColumn>& columns);
// Names are a user's: they stand as they are.
std::string plain_markdown(const std::string& text);

// A tabular of booktabs; the last `below` rows stand under a rule of their own, their names in italics.
std::string latex_columns(const std::vector<ReportColumn>& columns, size_t below);
std::string latex_comment(std::string text);

}  // namespace tacit
