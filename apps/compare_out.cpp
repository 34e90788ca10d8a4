#include "apps/compare_out.h"

#include <algorithm>

#include "eval/sample.h"
#include "lib/core/error.h"
#include "lib/core/json.h"

namespace tacit {
namespace {

// A report that is there; null where none is.
Json earlier_report(const std::filesystem::path& out) {
  const std::filesystem::path file = out / "compare.json";
  if (out.empty() || !exists(file)) return nullptr;
  Json report = read_json(file, "compare");
  if (!report.is_object() || !report.contains("rows") || !report["rows"].is_array())
    fail("compare", "expected the report of a comparison, or none, but got something else in ", file.string());
  return report;
}

Json name_of(const Json& row) { return row.is_object() ? row.value("name", Json()) : row; }

// What the runs of a row are of, by a report's provenance or a run.json: none where it does not say.
std::vector<Json> sources(const Json& provenance, const std::string& row, const char* field) {
  if (!provenance.is_object()) return {};
  Json value = provenance.value(field, Json());
  if (const Json by_row = provenance.value("by_row", Json()); by_row.is_object() && by_row.contains(field))
    value = by_row[field].is_object() ? by_row[field].value(row, Json()) : Json();
  std::vector<Json> out;
  for (Json& one : value.is_array() ? value : Json::array({value})) {
    if (one.is_object()) one.erase("count");  // more of the same problems
    if (!one.is_null()) out.push_back(std::move(one));
  }
  return out;
}

std::string listed(const std::vector<Json>& values) {
  std::string out;
  for (const Json& value : values) out += (out.empty() ? "" : ", ") + value.dump();
  return out;
}

}  // namespace

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
  const Json earlier = earlier_report(out);
  if (earlier.is_null()) return;
  for (const Json& row : earlier["rows"]) {
    const Json name = name_of(row);
    const bool known = std::ranges::any_of(rows, [&](const std::string& own) { return name == valid_utf8(own); });
    require(known, "compare", "expected a new folder, or one of a comparison that has only rows of this one, but got ",
            out.string(), " with the row ", name.dump(), "; choose another folder");
  }
}

void check_report_sources(const std::filesystem::path& out,
                          const std::map<std::string, std::vector<OrderedJson>>& records_of_rows) {
  const Json earlier = earlier_report(out);
  if (earlier.is_null()) return;
  const Json before = earlier.value("provenance", Json());
  for (const Json& row : earlier["rows"]) {
    const Json name = name_of(row);
    const auto same = [&](const auto& own) { return name == valid_utf8(own.first); };
    const auto own = std::ranges::find_if(records_of_rows, same);
    if (own == records_of_rows.end()) continue;
    for (const char* field : {"weights_sha256", "data_sha256", "generator", "seed"}) {
      const std::vector<Json> there = sources(before, valid_utf8(own->first), field);
      std::vector<Json> here;
      for (const OrderedJson& record : own->second) {
        for (Json& one : sources(Json(record), "", field)) {
          if (std::ranges::find(here, one) == here.end()) here.push_back(std::move(one));
        }
      }
      const bool shared = std::ranges::find_first_of(there, here) != there.end();
      require(there.empty() || here.empty() || shared, "compare",
              "expected a new folder, or one of a comparison of the same models and problems, but got ", out.string(),
              " with the row ", name.dump(), " of '", field, "' ", listed(there), " where this one has ", listed(here),
              "; choose another folder");
    }
  }
}

}  // namespace tacit
