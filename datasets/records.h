#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

// Files that hold one problem a record, whatever its fields are called.
enum class RecordFormat {
  json,   // a list, or a file that has one somewhere in it
  jsonl,  // one object a line; empty lines are skipped
  csv,    // RFC 4180: quoted fields may hold commas, line breaks and doubled quotes; rows of one length
  tsv,    // text/tab-separated-values: no quoting
  lines,  // one text a line; empty lines are skipped
};
const std::vector<std::string>& record_format_names();                              // as in the enum
RecordFormat record_format(const std::string& name, const std::string& operation);  // fails naming the known ones

struct RecordOptions {
  RecordFormat format = RecordFormat::jsonl;
  std::string list;    // json: the dotted path of the list; "" = the file is the list
  bool header = true;  // csv, tsv: the first row names the columns; false = they are called "0", "1", ..
  int64_t limit = 0;   // read the first N records; 0 = all
};

struct FileRecord {
  Json value;         // an object: as it stands; of csv and tsv column -> text; of lines {"line": text}
  std::string place;  // "line 4 of data/x.csv", "item 3 of data/x.json"
};

// Fails naming the file and the line or item of what is broken: bad JSON, what is no object, bad UTF-8, a quote that is
// not closed, a row that is shorter or longer than the first.
std::vector<FileRecord> read_records(const std::filesystem::path& path, const RecordOptions& options,
                                     const std::string& operation);

// What stands at "prompt.0.value": names of objects and places in lists, from 0. A name with dots in it is found before
// what the dots would mean. Null pointer where there is nothing.
const Json* find_path(const Json& value, std::string_view path);

}  // namespace tacit
