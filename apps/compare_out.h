#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "eval/compare.h"

namespace tacit {

// What `compare --out` would write over. All pass where nothing lies; all fail with what does.

// A folder of somebody else's files: fit is one with a compare.json, or with nothing but `runs`, of a comparison that
// was stopped.
void check_report_folder(const std::filesystem::path& out);
// A report with rows that these have not, by name.
void check_report_rows(const std::filesystem::path& out, const std::vector<std::string>& rows);
// A report with a row that is of something else under the same name: of other weights, data, generator or seed, as far
// as it and run.json of the row's runs record them. Of a row of several runs one in common will do: it may have more or
// fewer now.
void check_report_sources(const std::filesystem::path& out,
                          const std::map<std::string, std::vector<OrderedJson>>& records_of_rows);

}  // namespace tacit
