#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// Beside compare.json, compare.md and compare.tex: compare.html, and plots/ with the data of each plot (.tsv) and a script for
// gnuplot (.gp). Where gnuplot is installed it draws them (.svg); where it is not, a line on stderr says so. Plots that
// an earlier report left there are removed.
void write_report_page(const std::filesystem::path& folder, const Comparison& comparison,
                       const std::vector<std::pair<std::string, Run>>& runs);

}  // namespace tacit
