#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tacit {

// What `compare --out` would write over. Both pass where nothing lies; both fail with what does.

// A folder of somebody else's files: fit is one with a compare.json, or with nothing but `runs`, of a comparison that
// was stopped.
void check_report_folder(const std::filesystem::path& out);
// A report with rows that these have not, by name. What rows are made of, the run folders keep apart.
void check_report_rows(const std::filesystem::path& out, const std::vector<std::string>& rows);

}  // namespace tacit
