#include "apps/compare_out.h"

#include <algorithm>

#include "eval/sample.h"
#include "lib/core/error.h"
#include "lib/core/json.h"

namespace tacit {

void check_report_folder(const std::filesystem::path& out) {
  if (out.empty() || !exists(out)) return;
  require(is_directory(out), "compare", "expected a folder to write to but got the file ", out.string());
  if (exists(out / "compare.json")) return;
  for (const auto& entry : std::filesystem::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    if (name == "runs" || name.starts_with(".tacit-")) continue;
    fail("compare", "expected a new folder, or one of a comparison, but got ", out.string(), ", which holds '", name,
         "'");
  }
}

void check_report_rows(const std::filesystem::path& out, const std::vector<std::string>& rows) {
  const std::filesystem::path file = out / "compare.json";
  if (out.empty() || !exists(file)) return;
  const Json earlier = read_json(file, "compare");
  if (!earlier.is_object() || !earlier.contains("rows") || !earlier["rows"].is_array())
    fail("compare", "expected the report of a comparison, or none, but got something else in ", file.string());
  for (const Json& row : earlier["rows"]) {
    const Json name = row.is_object() ? row.value("name", Json()) : row;
    const bool known = std::ranges::any_of(rows, [&](const std::string& own) { return name == valid_utf8(own); });
    require(known, "compare", "expected a new folder, or one of a comparison that has only rows of this one, but got ",
            out.string(), " with the row ", name.dump(), "; choose another folder");
  }
}

}  // namespace tacit
