#include "datasets/records.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "datasets/delimited.h"
#include "lib/core/data_file.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/json_exact.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

std::string line_of(const std::filesystem::path& path, int64_t line) {
  return "line " + std::to_string(line) + " of " + path.string();
}

void require_object(const Json& value, const std::string& place, const std::string& operation) {
  require(value.is_object(), operation, "expected an object but got ", value.type_name(), " in ", place);
}

std::vector<FileRecord> read_list(const std::filesystem::path& path, const RecordOptions& options,
                                  const std::string& operation) {
  const Json file = read_json_exact(path, operation);
  const Json* list = options.list.empty() ? &file : find_path(file, options.list);
  const std::string what = options.list.empty() ? "a list" : "a list at '" + options.list + "'";
  require(list != nullptr, operation, "expected ", what, " but got nothing in ", path.string());
  require(list->is_array(), operation, "expected ", what, " but got ", list->type_name(), " in ", path.string());
  std::vector<FileRecord> records;
  for (const Json& item : *list) {
    if (options.limit > 0 && std::ssize(records) == options.limit) break;
    records.push_back({item, "item " + std::to_string(records.size()) + " of " + path.string()});
    require_object(item, records.back().place, operation);
  }
  return records;
}

// The words of a text are checked by the one who knows how: Json refuses to write what is no UTF-8.
void require_utf8(const std::string& text, const std::string& place, const std::string& operation) {
  try {
    (void)Json(text).dump();
  } catch (const Json::type_error&) {
    fail(operation, "expected UTF-8 but got other bytes in ", place);
  }
}

std::vector<FileRecord> read_lines(const std::filesystem::path& path, const RecordOptions& options,
                                   const std::string& operation) {
  std::vector<FileRecord> records;
  for_each_line(path, operation, [&](std::string_view text, int64_t number) {
    const bool enough = options.limit > 0 && std::ssize(records) >= options.limit;
    if (enough || text.find_first_not_of(" \t\r") == text.npos) return;
    FileRecord record{Json(), line_of(path, number)};
    if (options.format == RecordFormat::jsonl) {
      record.value = parse_json_exact(text, operation, record.place);
      require_object(record.value, record.place, operation);
    } else {
      require_utf8(std::string(text), record.place, operation);
      record.value = {{"line", text}};
    }
    records.push_back(std::move(record));
  });
  return records;
}

// Names of the columns: of the header, all different and not empty, or their numbers.
std::vector<std::string> column_names(const DelimitedRow& first, bool header, const std::filesystem::path& path,
                                      const std::string& operation) {
  std::vector<std::string> names = first.fields;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!header) names[i] = std::to_string(i);
    const bool twice = std::find(names.begin(), names.begin() + static_cast<int64_t>(i), names[i]) !=
                       names.begin() + static_cast<int64_t>(i);
    require(!twice, operation, "expected columns with names that differ but got '", names[i], "' twice in ",
            line_of(path, first.line));
  }
  return names;
}

std::vector<FileRecord> read_table(const std::filesystem::path& path, const RecordOptions& options,
                                   const std::string& operation) {
  const std::string text = read_file(path, operation);
  DelimitedReader reader(text, options.format == RecordFormat::csv, operation, path.string());
  std::vector<std::string> names;
  std::vector<FileRecord> records;
  bool first = true;
  while (const std::optional<DelimitedRow> row = reader.next()) {
    if (options.limit > 0 && std::ssize(records) == options.limit) break;
    const std::string place = line_of(path, row->line);
    if (first) names = column_names(*row, options.header, path, operation);
    if (std::exchange(first, false) && options.header) continue;
    require(row->fields.size() == names.size(), operation, "expected ", names.size(), " columns but got ",
            row->fields.size(), " in ", place);
    FileRecord record{Json::object(), place};
    for (size_t i = 0; i < names.size(); ++i) {
      require_utf8(row->fields[i], place, operation);
      record.value[names[i]] = row->fields[i];
    }
    records.push_back(std::move(record));
  }
  return records;
}

std::optional<size_t> place_in_list(std::string_view text) {
  size_t place = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), place);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return place;
}

}  // namespace

const std::vector<std::string>& record_format_names() {
  static const std::vector<std::string> names = {"json", "jsonl", "csv", "tsv", "lines"};
  return names;
}

RecordFormat record_format(const std::string& name, const std::string& operation) {
  const std::vector<std::string>& names = record_format_names();
  const auto found = std::ranges::find(names, name);
  require(found != names.end(), operation, "expected one of json, jsonl, csv, tsv, lines but got '", name, "'",
          did_you_mean(name, names));
  return static_cast<RecordFormat>(found - names.begin());
}

std::vector<FileRecord> read_records(const std::filesystem::path& path, const RecordOptions& options,
                                     const std::string& operation) {
  require_data_file(path, operation, "problems");
  switch (options.format) {
    case RecordFormat::json: return read_list(path, options, operation);
    case RecordFormat::csv:
    case RecordFormat::tsv: return read_table(path, options, operation);
    default: return read_lines(path, options, operation);
  }
}

const Json* find_path(const Json& value, std::string_view path) {
  if (path.empty()) return &value;
  if (value.is_object()) {
    if (const auto whole = value.find(path); whole != value.end()) return &*whole;
    for (size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
      const auto head = value.find(path.substr(0, dot));
      if (head == value.end()) continue;
      if (const Json* found = find_path(*head, path.substr(dot + 1))) return found;
    }
    return nullptr;
  }
  if (!value.is_array()) return nullptr;
  const size_t dot = std::min(path.find('.'), path.size());
  const std::optional<size_t> place = place_in_list(path.substr(0, dot));
  if (!place || *place >= value.size()) return nullptr;
  return find_path(value[*place], dot == path.size() ? "" : path.substr(dot + 1));
}

}  // namespace tacit
