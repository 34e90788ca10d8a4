#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// Beside compare.json, compare.md and compare.tex: compare.html, and plots/ with each plot as a picture (.svg), its
// data
// (.tsv) and a script by which gnuplot draws the same (.gp). Plots that an earlier report left there are removed.
void write_report_page(const std::filesystem::path& folder, const Comparison& comparison,
                       const std::vector<std::pair<std::string, Run>>& runs);

}  // namespace tacit
